"""What a platform offers of it: to read what is blocked at a site, and to write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from infra.plan.types import SitePlan

FILE = "contained.json"
Blocked = Mapping[str, tuple[str, ...]]


class Containment(Protocol):
    """`context` is of a kubeconfig, for sites whose plan names none. Both raise Refused."""

    def read(self, stack: str, site: str, plan: SitePlan, context: str | None) -> Blocked:
        """What is blocked there, by kind; empty where nothing is."""
        ...

    def change(
        self, stack: str, site: str, plan: SitePlan, context: str | None, to: Callable[[Blocked], Blocked]
    ) -> tuple[Blocked, str]:
        """Makes something else of what is blocked: what it is then, and when gateways know. What somebody else writes
        meanwhile is never lost."""
        ...

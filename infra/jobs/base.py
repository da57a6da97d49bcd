"""What a platform offers of its sites' jobs: to start one now, to follow it to its end, to read its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from infra.plan.types import SitePlan


@dataclass(frozen=True, kw_only=True)
class Job:
    """One of a site's jobs: `name` is its own there, `called` what a stack file calls it (`chat/load`), `container`
    the one whose last words are the record."""

    name: str
    called: str
    container: str


class Jobs(Protocol):
    """`context` is of a kubeconfig, for sites whose plan names none."""

    def run(
        self,
        site: str,
        plan: SitePlan,
        context: str | None,
        job: Job,
        *,
        told: Callable[[str], None],
        kept: Callable[[str], None],
    ) -> None:
        """Starts it, or takes up one that a killed command has left, and follows it; `told` is how it is going. What
        it leaves is given to `kept`, and then it is removed. Raises Refused."""
        ...

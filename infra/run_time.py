"""What may be changed of a running site without a deployment, and is therefore undone by none: by whom it is written.

A platform offers all of it as one object: what is blocked in an incident, how far releases are, and jobs to start now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from infra.containment.base import Containment
from infra.jobs.base import Jobs
from infra.plan.types import SitePlan


class Releases(Protocol):
    """How far releases are at a site: a text. `context` is of a kubeconfig, for sites whose plan names none. Raises
    Refused."""

    def read(self, stack: str, site: str, plan: SitePlan, context: str | None) -> str:
        """The text; empty where nobody has written any."""
        ...

    def change(self, stack: str, site: str, plan: SitePlan, context: str | None, to: Callable[[str], str]) -> str:
        """Makes another text of it; what somebody else writes meanwhile is never lost. Says when gateways know."""
        ...

    def judge(
        self,
        root: Path,
        stack: str,
        site: str,
        plan: SitePlan,
        rules: Mapping[str, Any],
        questions: Mapping[str, Any] | None,
    ) -> int | None:
        """Judges here until all is decided: 0 where all is done, 1 where something was rolled back. None: somebody
        else does, who runs all the time. `questions` is by model what candidates are asked; None where nobody said
        where and as whom. Raises Refused where that is needed."""
        ...


class RunTime(Protocol):
    """Of one platform."""

    @property
    def contained(self) -> Containment: ...
    @property
    def releases(self) -> Releases: ...
    @property
    def jobs(self) -> Jobs | None:
        """None where none of them waits to be started: what asks models there is started by its user."""
        ...

"""What may be changed of a running site in a cluster without a deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.plan.in_cluster import RELEASED
from infra.plan.types import SitePlan
from infra.platforms.kubernetes.containment import CONTAINMENT
from infra.platforms.kubernetes.jobs import JOBS
from infra.platforms.kubernetes.run_time_object import RunTimeObject
from infra.releases.base import FILE


class KubernetesReleases:
    """Implements `Releases`: the stack makes the object and leaves alone what is in it."""

    def __init__(self) -> None:
        self._object = RunTimeObject(RELEASED, FILE, "slipway.dev/released-at", "slipway-release")

    def read(self, stack: str, site: str, plan: SitePlan, context: str | None) -> str:
        del stack
        return self._object.read(site, plan, context) or ""

    def change(self, stack: str, site: str, plan: SitePlan, context: str | None, to: Callable[[str], str]) -> str:
        del stack
        return self._object.change(site, plan, context, lambda text: to(text or ""))

    def judge(
        self,
        root: Path,
        stack: str,
        site: str,
        plan: SitePlan,
        rules: Mapping[str, Any],
        questions: Mapping[str, Any] | None,
    ) -> int | None:
        """Its pod does."""
        del root, stack, site, plan, rules, questions
        return None


class KubernetesRunTime:
    """Implements `RunTime`."""

    contained = CONTAINMENT
    releases = KubernetesReleases()
    jobs = JOBS


RUN_TIME = KubernetesRunTime()

"""What is blocked at a site in a cluster: a ConfigMap that its gateways mount and no deployment makes or changes."""

from __future__ import annotations

import json
from collections.abc import Callable

from infra.containment.base import FILE, Blocked
from infra.containment.content import read
from infra.plan.in_cluster import CONTAINED
from infra.plan.types import SitePlan
from infra.platforms.kubernetes.run_time_object import RunTimeObject

STAMP = "slipway.dev/contained-at"


class KubernetesContainment:
    """Implements `Containment`."""

    def __init__(self) -> None:
        self._object = RunTimeObject(CONTAINED, FILE, STAMP, "slipway-contain")

    def read(self, stack: str, site: str, plan: SitePlan, context: str | None) -> Blocked:
        del stack
        return self._blocked(self._object.read(site, plan, context))

    def change(
        self, stack: str, site: str, plan: SitePlan, context: str | None, to: Callable[[Blocked], Blocked]
    ) -> tuple[Blocked, str]:
        del stack
        blocked: list[Blocked] = []

        def written(text: str | None) -> str:
            blocked.append(to(self._blocked(text)))
            return json.dumps(blocked[-1], indent=2)

        when = self._object.change(site, plan, context, written)
        return blocked[-1], when

    def _blocked(self, text: str | None) -> Blocked:
        # Without the entry it is not what this command writes, either.
        return {} if text is None else read(text, self._object.place())


CONTAINMENT = KubernetesContainment()

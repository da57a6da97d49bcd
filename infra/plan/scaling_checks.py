"""Numbers of replicas that nothing in a cluster would bring about."""

from __future__ import annotations

from collections.abc import Iterator

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.types import ModelPlan, Replicas
from infra.problems import Problem

_NEWER = "give the site KEDA 2.20.2 or newer"


def scaling_problems(
    name: str, plan: ModelPlan, replicas: Replicas, cluster: ClusterFacts, *, started: bool
) -> Iterator[Problem]:
    """Hours that nobody keeps, hours with more than there may be, and zero replicas that nobody keeps or ends. Whoever
    comes starts the first one where it is `started`."""
    where = dotted(DEPLOYMENT_KEY, ("models", name, "scaling"))
    for hours_name, hours in plan.operation.schedules.items():
        if not cluster.keda:
            yield Problem(
                where=f"{where}.schedules.{hours_name}",
                found="hours, on a site without KEDA",
                allowed="hours where KEDA is (`keda: true`): nothing else looks at the clock",
                remedy=f"remove `schedules`, or {_NEWER}",
            )
        if hours.min_replicas > replicas.max:
            yield Problem(
                where=f"{where}.schedules.{hours_name}.min_replicas",
                found=f"{hours.min_replicas}, with at most {replicas.max} replicas",
                allowed=f"1 to {replicas.max}",
                remedy="raise `scaling.max_replicas`, or lower it",
            )
    if replicas.min == 0 < replicas.max:
        yield from _zero_problems(name, f"{where}.min_replicas", plan.replicas.min > 0, cluster, started=started)


def _zero_problems(name: str, where: str, standby: bool, cluster: ClusterFacts, *, started: bool) -> Iterator[Problem]:
    """Of a model's own zero, or of a cold standby, whose model has more elsewhere."""
    zero = found = "0"
    instead, counted = "set `min_replicas: 1`", ""
    if standby:
        where = dotted(DEPLOYMENT_KEY, ("topology", "standby", "mode"))
        zero, found = "`cold`", f"`cold`: there is no replica of `{name}` until then"
        instead, counted = "choose `warm`", ", or are counted for an objective (`time_to_first_token_seconds`)"
    if not cluster.keda:
        yield Problem(
            where=where,
            found=f"{found}, on a site without KEDA",
            allowed=f"{zero} where KEDA is (`keda: true`): without it one replica always stays",
            remedy=f"{instead}, or {_NEWER}",
        )
    if not started:
        yield Problem(
            where=where,
            found=f"{found}, and requests are not held",
            allowed=f"{zero} only where requests wait for the first replica{counted}: they are what starts it",
            remedy=f"add `hold: {{}}`, or {instead}",
        )

"""What a site's namespace may hold at most: a mistake or an intruder inside cannot take the cluster's GPUs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from infra.plan.nodes import NodeChoice
from infra.plan.serving import ServingPlan

# One more of each workload while it is replaced.
SPARE = 1
# Jobs that fill caches, one for each model and one beside it that failed.
FETCHES = 2


def quota(plan: ServingPlan, nodes: Mapping[str, NodeChoice]) -> dict[str, str]:
    """By resource, as Kubernetes names it."""
    most: Counter[str] = Counter()
    most["pods"] += plan.gateway_pods.replicas.max + SPARE + (1 + SPARE if plan.shared_limits else 0)
    most["pods"] += len(plan.trials) + len(plan.makings) + (1 + SPARE if plan.releases else 0)
    for making in plan.makings:
        for resource, count in nodes[making.gpus_pool].resources.items():
            most[f"requests.{resource}"] += count
    for engine in plan.engines.values():
        replicas = (engine.replicas.max + SPARE) * (engine.groups.size if engine.groups else 1)
        most["pods"] += FETCHES + (0 if engine.beside_gateway else replicas)
        for resource, count in nodes[engine.pool].resources.items():
            most[f"requests.{resource}"] += replicas * count
    # No pod of ours is reached but through the front door.
    return {**{name: str(count) for name, count in sorted(most.items())}, "services.nodeports": "0"}

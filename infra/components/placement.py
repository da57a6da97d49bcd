"""Where a workload's pods are put: on which nodes, and how they are spread over zones and hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi_kubernetes as kubernetes

from infra.plan.nodes import NodeChoice

core = kubernetes.core.v1
ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"


def spread(
    selector: Mapping[str, str], zones: Sequence[str], revision: str = "pod-template-hash"
) -> list[kubernetes.core.v1.TopologySpreadConstraintArgs]:
    """Evenly over zones, then hosts. Zones are a must where the plan names several: a wish would let all pods of a
    scheduler's bad day be in one. Each revision, by the label that its controller gives it, is spread for itself, so
    that a rollout ends spread as well."""
    return [
        core.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            when_unsatisfiable="DoNotSchedule" if key == ZONE and len(zones) > 1 else "ScheduleAnyway",
            label_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=dict(selector)),
            match_label_keys=[revision],
            # A zone whose nodes are all gone must not keep its pods from the others.
            node_taints_policy="Honor",
        )
        for key in (ZONE, HOST)
    ]


def tolerations(nodes: NodeChoice) -> list[kubernetes.core.v1.TolerationArgs]:
    """What keeps others off these nodes does not keep these pods off."""
    return [core.TolerationArgs(key=nodes.tolerates, operator="Exists")] if nodes.tolerates else []


# What a wish may weigh at most.
MOST_WEIGHT = 100


def affinity(nodes: NodeChoice) -> kubernetes.core.v1.AffinityArgs | None:
    """Nodes whose labels have one of several values, those before rather than those after. Where pods are is not looked
    at again: what becomes free later is taken by the next pod that starts."""
    if not nodes.in_order:
        return None
    terms = [
        core.NodeSelectorRequirementArgs(key=label, operator="In", values=list(values))
        for label, values in nodes.in_order.items()
    ]
    wishes = [
        core.PreferredSchedulingTermArgs(
            # As far apart as can be: spreading and free room are weighed against them. The last is not wished for.
            weight=MOST_WEIGHT * (len(values) - 1 - place) // (len(values) - 1),
            preference=core.NodeSelectorTermArgs(
                match_expressions=[core.NodeSelectorRequirementArgs(key=label, operator="In", values=[value])]
            ),
        )
        for label, values in nodes.in_order.items()
        for place, value in enumerate(values[:-1])
    ]
    return core.AffinityArgs(
        node_affinity=core.NodeAffinityArgs(
            required_during_scheduling_ignored_during_execution=core.NodeSelectorArgs(
                node_selector_terms=[core.NodeSelectorTermArgs(match_expressions=terms)]
            ),
            preferred_during_scheduling_ignored_during_execution=wishes,
        )
    )

"""Controllers from their makers' charts: KEDA, and what Auto Mode has built in and node groups need beside add-ons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.catalog.charts import charts
from infra.plan.charts import SYSTEM, ChartPlan
from infra.plan.keda import keda_plan
from infra.plan.pool_nodes import GPU_RESOURCE, GPU_TAINT
from infra.plan.serving import ServingPlan
from infra.platforms.aws.config import AwsSettings, ManagedNodes
from infra.platforms.aws.machines import PLUGIN_LABEL, MachinePool, NodesPlan
from infra.platforms.clusters import chart_problems
from infra.problems import Problem

# The rights of a controller: it binds targets of the load balancer, or it scales node groups.
BINDS, SCALES = "binds", "scales"
# An ordered way to buy is given up for the next one when its machine is not there after this. The largest machines take
# longer than half of it to start.
PROVISION_MINUTES = 10
# A node that somebody uses at all is kept: what is taken from it would be answers under way.
EMPTY_BELOW = "0.01"


@dataclass(frozen=True, kw_only=True)
class Controller(ChartPlan):
    """With `service_account` it has a role, whose `rights` are named. `network_value` is the value that is the
    network's id, which only the cloud knows."""

    service_account: str | None = None
    rights: str | None = None
    network_value: str | None = None


def controllers_problems(where: str, settings: AwsSettings) -> Iterator[Problem]:
    """Controllers whose images nobody would reach."""
    if settings.network.cidr is not None and settings.nat == "none":
        yield from chart_problems(f"{where}.nat", "none", "`per_zone` or `single`", wants_charts(settings))


def wants_charts(settings: AwsSettings) -> dict[str, str]:
    """What is written for which controllers are needed, and what would need none."""
    managed = {"nodes: {kind: managed}": "nodes: {kind: auto_mode}"}
    return {
        **(managed if isinstance(settings.nodes, ManagedNodes) else {}),
        **({"keda: true": "keda: false"} if settings.keda else {}),
    }


def controllers(
    cluster: str, settings: AwsSettings, machines: NodesPlan, serving: ServingPlan
) -> Mapping[str, Controller]:
    """By name."""
    found: list[Controller] = []
    if isinstance(settings.nodes, ManagedNodes):
        found += [_binder(cluster, settings), _autoscaler(cluster, settings, machines), *_devices(settings, machines)]
        if any(engine.groups for engine in serving.engines.values()):
            found.append(Controller(chart=charts()["lws"], namespace="lws-system", values={"replicaCount": 2}))
    if settings.keda:
        keda = keda_plan(serving)
        found.append(Controller(chart=keda.chart, namespace=keda.namespace, values=keda.values))
    return {one.chart.chart: one for one in found}


def _binder(cluster: str, settings: AwsSettings) -> Controller:
    """TargetGroupBinding is all that it is for: what else it does is off, and has no rights."""
    account = "aws-load-balancer-controller"
    return Controller(
        chart=charts()["aws-load-balancer-controller"],
        namespace=SYSTEM,
        values={
            "clusterName": cluster,
            "region": settings.region,
            "replicaCount": 2,
            "serviceAccount": {"create": True, "name": account},
            "createIngressClassResource": False,
            "enableShield": False,
            "enableWaf": False,
            "enableWafv2": False,
            # Otherwise no Service is made while it is not well.
            "enableServiceMutatorWebhook": False,
        },
        service_account=account,
        rights=BINDS,
        network_value="vpcId",
    )


def _autoscaler(cluster: str, settings: AwsSettings, machines: NodesPlan) -> Controller:
    """Ways to buy are tried in their order, by weights as Karpenter has them."""
    account = "cluster-autoscaler"
    order: dict[str, list[str]] = {}
    for pool in machines.pools.values():
        order.setdefault(str(pool.weight), []).append(f".*-{pool.name}-[a-f]-.*")
    return Controller(
        chart=charts()["cluster-autoscaler"],
        namespace=SYSTEM,
        values={
            "autoDiscovery": {"clusterName": cluster},
            "awsRegion": settings.region,
            # It is made for the cluster's own version.
            "image": {"tag": f"v{settings.kubernetes_version}.0"},
            "rbac": {"serviceAccount": {"create": True, "name": account}},
            "replicaCount": 2,
            "expanderPriorities": order,
            "extraArgs": {
                "expander": "priority,least-waste",
                "balance-similar-node-groups": True,
                # Each group may grow to all that its pool may have: together they may not.
                "max-nodes-total": sum({pool.pool: pool.max_nodes for pool in machines.pools.values()}.values()),
                "max-node-provision-time": f"{PROVISION_MINUTES}m",
                "scale-down-unneeded-time": f"{machines.empty_seconds}s",
                "scale-down-utilization-threshold": EMPTY_BELOW,
                "scale-down-gpu-utilization-threshold": EMPTY_BELOW,
                "ignore-daemonsets-utilization": True,
                "max-graceful-termination-sec": machines.grace_seconds,
            },
        },
        service_account=account,
        rights=SCALES,
    )


def _devices(settings: AwsSettings, machines: NodesPlan) -> Iterator[Controller]:
    """Who offers devices to pods. Bottlerocket has that of NVIDIA in its image (its documentation, read 2026-11)."""
    pools = machines.pools.values()
    image = settings.nodes.image if isinstance(settings.nodes, ManagedNodes) else ""
    if image == "amazon_linux_2023" and any(pool.gpus for pool in pools):
        yield Controller(chart=charts()["nvidia-device-plugin"], namespace=SYSTEM, values=_plugin_values(machines))
    if fast := [pool for pool in pools if pool.devices]:
        yield Controller(
            chart=charts()["aws-efa-k8s-device-plugin"],
            namespace=SYSTEM,
            values={
                # The chart's own list of types is older than some of ours.
                "supportedInstanceLabels": {
                    "keys": ["node.kubernetes.io/instance-type"],
                    "values": _types(fast),
                },
                "tolerations": [{"key": GPU_TAINT, "operator": "Exists"}],
            },
        )


def _plugin_values(machines: NodesPlan) -> dict[str, Any]:
    """Settings of machines whose GPUs are shared, which their label chooses; the others have `whole`. Nothing is told
    where nothing is shared."""
    shared = {
        pool.labels[PLUGIN_LABEL]: {
            "version": "v1",
            "sharing": {
                "timeSlicing": {
                    "renameByDefault": False,
                    "failRequestsGreaterThanOne": True,
                    "resources": [{"name": GPU_RESOURCE, "replicas": pool.sharing.replicas}],
                }
            },
        }
        for pool in machines.pools.values()
        if pool.sharing
    }
    if not shared:
        return {}
    each = {"whole": {"version": "v1"}, **shared}
    # JSON is YAML, which the plugin reads.
    return {"config": {"map": {name: json.dumps(told) for name, told in each.items()}, "default": "whole"}}


def _types(pools: list[MachinePool]) -> list[str]:
    return sorted({name for pool in pools for name in pool.instance_types})

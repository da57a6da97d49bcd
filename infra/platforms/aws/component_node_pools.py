"""Deploys the machines of a cluster in Auto Mode: what EKS may start for its pods, in which order, and how each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.plan.pool_nodes import POOL_LABEL
from infra.platforms.aws.machines import MachinePool, NodesPlan

NODE_CLASS = "slipway"
RESERVED_CLASS = "slipway-reserved"
CLASS_GROUP = "eks.amazonaws.com"


class NodePools(pulumi.ComponentResource):
    """Owns NodeClasses and NodePools, and what makes network policies apply. The machines are EKS' own: it starts one
    for a pod that no other has room for, takes the first pool by weight that is to be had, sees an interruption, and
    repairs what is not well. The service of credentials needs a token on all of them, and is one hop away."""

    def __init__(
        self,
        name: str,
        plan: NodesPlan,
        *,
        node_role_name: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        security_group_id: pulumi.Input[str],
        disk_key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:aws:NodePools", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self, deleted_with=opts.deleted_with)
        kubernetes.core.v1.ConfigMap(
            f"{name}-network-policies",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name="amazon-vpc-cni",
                namespace="kube-system",
                # It may be there: EKS and its add-ons know it too.
                annotations={"pulumi.com/patchForce": "true"},
            ),
            # Without it, Auto Mode keeps policies and enforces none of them.
            data={"enable-network-policy-controller": "true"},
            opts=self._child,
        )
        common = {
            "role": node_role_name,
            "subnetSelectorTerms": [{"id": subnet} for subnet in subnet_ids],
            "securityGroupSelectorTerms": [{"id": security_group_id}],
            # Namespaces of ours deny first; the cluster's own would be cut off.
            "networkPolicy": "DefaultAllow",
            "networkPolicyEventLogs": "Disabled",
            "ephemeralStorage": {
                "size": f"{plan.disk_gibibytes}Gi",
                "iops": plan.disk_operations,
                "throughput": plan.disk_throughput_mebibytes,
                "kmsKeyID": disk_key_arn,
            },
        }
        classes = {NODE_CLASS: _object(f"{name}-class", "NodeClass", NODE_CLASS, common, self._child)}
        if plan.reservation_id is not None:
            reserved = {**common, "capacityReservationSelectorTerms": [{"id": plan.reservation_id}]}
            classes[RESERVED_CLASS] = _object(
                f"{name}-reserved-class", "NodeClass", RESERVED_CLASS, reserved, self._child
            )
        after = pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[*classes.values()]))
        for pool in plan.pools.values():
            _object(f"{name}-{pool.name}", "NodePool", pool.name, _pool(plan, pool), after)
        self.register_outputs({})


def _pool(plan: NodesPlan, pool: MachinePool) -> dict[str, Any]:
    reserved = plan.reservation_id is not None and pool.capacity == "reserved"
    requirements = {
        "node.kubernetes.io/instance-type": pool.instance_types,
        "topology.kubernetes.io/zone": pool.zones,
        "karpenter.sh/capacity-type": (pool.capacity,),
        "kubernetes.io/arch": ("amd64",),
        "kubernetes.io/os": ("linux",),
    }
    taints = [{"key": pool.taint, "value": "true", "effect": "NoSchedule"}] if pool.taint else []
    return {
        "template": {
            "metadata": {"labels": {POOL_LABEL: pool.pool}},
            "spec": {
                "nodeClassRef": {
                    "group": CLASS_GROUP,
                    "kind": "NodeClass",
                    "name": RESERVED_CLASS if reserved else NODE_CLASS,
                },
                "requirements": [
                    {"key": key, "operator": "In", "values": [*values]} for key, values in requirements.items()
                ],
                **({"taints": taints} if taints else {}),
                "expireAfter": f"{plan.expire_hours}h",
                "terminationGracePeriod": f"{plan.grace_seconds}s",
            },
        },
        "disruption": {
            # A machine that still answers somebody is not emptied to save money.
            "consolidationPolicy": "WhenEmpty",
            "consolidateAfter": f"{plan.empty_seconds}s",
            "budgets": [{"nodes": "1"}],
        },
        "limits": dict(pool.limits),
        "weight": pool.weight,
    }


def _object(
    name: str, kind: str, called: str, spec: dict[str, Any], opts: pulumi.ResourceOptions
) -> kubernetes.apiextensions.CustomResource:
    return kubernetes.apiextensions.CustomResource(
        name,
        api_version=f"{CLASS_GROUP}/v1" if kind == "NodeClass" else "karpenter.sh/v1",
        kind=kind,
        metadata=kubernetes.meta.v1.ObjectMetaArgs(name=called, annotations={"pulumi.com/waitFor": "condition=Ready"}),
        spec=spec,
        opts=opts,
    )

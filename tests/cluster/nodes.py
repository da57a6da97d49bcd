"""Nodes that kwok keeps alive: pools of one shape over zones, with the labels, taints and resources of a real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.client import Client, eventually
from tests.cluster.control_plane import KWOK_ANNOTATION

ZONE = "topology.kubernetes.io/zone"
POOL = "tests/pool"
GPU = "nvidia.com/gpu"
GPU_TAINT = {"key": GPU, "value": "present", "effect": "NoSchedule"}


@dataclass(frozen=True)
class Pool:
    """Nodes of one shape, `per_zone` in each zone. `gpus` per node; a pool with GPUs has the usual taint."""

    name: str
    zones: Sequence[str]
    per_zone: int = 1
    gpus: int = 0
    cpu: str = "16"
    memory: str = "64Gi"
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] | None = None

    def nodes(self) -> list[dict[str, Any]]:
        """The Node objects, by name."""
        return [self._node(zone, number) for zone in self.zones for number in range(self.per_zone)]

    def _node(self, zone: str, number: int) -> dict[str, Any]:
        name = f"{self.name}-{zone}-{number}"
        resources = {"cpu": self.cpu, "memory": self.memory, "pods": "110", "ephemeral-storage": "500Gi"}
        if self.gpus:
            resources[GPU] = str(self.gpus)
        taints = self.taints if self.taints is not None else ([GPU_TAINT] if self.gpus else [])
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": KWOK_ANNOTATION,
                "labels": {
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                    ZONE: zone,
                    "topology.kubernetes.io/region": zone.rstrip("abcdef").rstrip("-"),
                    POOL: self.name,
                    **self.labels,
                },
            },
            "spec": {"taints": [dict(taint) for taint in taints]},
            "status": {"allocatable": resources, "capacity": resources},
        }


def create(client: Client, *pools: Pool) -> None:
    """Make the pools' nodes and wait until pods can be placed on them."""
    nodes = [node for pool in pools for node in pool.nodes()]
    for node in nodes:
        client.request("POST", client.kind_of(node).path(None), node)
    names = {node["metadata"]["name"] for node in nodes}

    def all_ready() -> bool:
        return names <= {node["metadata"]["name"] for node in client.list("v1", "Node") if is_ready(node)}

    eventually(all_ready, f"nodes {', '.join(sorted(names))} ready")


def remove(client: Client, *pools: Pool) -> None:
    """Take the pools' nodes away and wait until they are gone."""
    names = [node["metadata"]["name"] for pool in pools for node in pool.nodes()]
    for name in names:
        client.delete("v1", "Node", name)
    for name in names:
        client.wait_gone("v1", "Node", name)


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether the node is ready and nothing but its own taints keeps pods away."""
    conditions = {entry["type"]: entry["status"] for entry in node["status"].get("conditions") or []}
    taints = {taint["key"] for taint in node["spec"].get("taints", [])}
    return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints

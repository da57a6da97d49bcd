"""Nodes of the pools that a site makes: their label and taint, and how much of one is an engine's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from infra.catalog.instances import instances
from infra.plan.node_pools import NodePool
from infra.plan.serving import EnginePlan

POOL_LABEL = "slipway/pool"
GPU_RESOURCE = "nvidia.com/gpu"
GPU_TAINT = "nvidia.com/gpu"
PROCESSOR_TAINT = "slipway/processors"
GATEWAY_POOL = "gateway"
# One more than are needed, while one is exchanged for another.
SURGE_NODES = 1
# The system's, its agents' and those of add-ons, of each machine.
NODE_PROCESSORS = 1
AS_THEY_ARE: Mapping[str, str] = MappingProxyType({})


def taint(pool: NodePool) -> str | None:
    """Gateways' nodes take what the cluster itself needs, too."""
    if pool.name == GATEWAY_POOL:
        return None
    return GPU_TAINT if pool.accelerator else PROCESSOR_TAINT


def engines_on(
    engines: Mapping[str, EnginePlan],
    pools: Mapping[str, NodePool],
    cloud: str,
    items: Mapping[str, str] = AS_THEY_ARE,
) -> dict[str, EnginePlan]:
    """Engines that ask for no more processors than their part of the planned machine has: else it would start another,
    dearer one for them. `items` is what the catalogue calls machines where it does not call them as the cloud does."""
    return {name: _on(engine, pools[engine.pool], cloud, items) for name, engine in engines.items()}


def _on(engine: EnginePlan, pool: NodePool, cloud: str, items: Mapping[str, str]) -> EnginePlan:
    listed = items.get(pool.shape, pool.shape)
    row = next((row for row in instances() if (row.cloud, row.instance_type) == (cloud, listed)), None)
    if row is None or row.vcpu is None or engine.accelerator is None:
        return engine
    part = (row.vcpu - NODE_PROCESSORS) * engine.accelerator.count // (row.gpu_count * pool.shared_by)
    return replace(engine, pod=replace(engine.pod, processors=max(1, min(engine.pod.processors, part))))

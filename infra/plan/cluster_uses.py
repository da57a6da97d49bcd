"""What a cluster with node pools is billed for: its machines as they are bought first, and what is around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

from infra.plan.node_pools import NodePool
from infra.platforms.base import SiteRequest
from infra.price.bill import Use
from infra.price.types import Purchase
from infra.price.uses import ClusterUse, PoolUse, cluster_uses, pool_uses
from infra.sizing.types import GIB

# What a node's disk has where nothing is set: the default of EKS Auto Mode is 80 GiB, that of GKE 100.
NODE_DISK_GB = 100.0


def site_uses(
    request: SiteRequest,
    pools: Mapping[str, NodePool],
    *,
    cloud: str,
    region: str,
    nat_gateways: int,
    items: Mapping[str, str] = MappingProxyType({}),
    disk_gb: float = NODE_DISK_GB,
    auto_mode: bool = False,
    stored_gb: tuple[float, float] | None = None,
) -> Iterator[Use]:
    """`items` is what the price list calls machines where it does not call them as the platform does. The gateways'
    pool is the core one: what the cluster itself needs is there too. `nat_gateways` is 0 without a NAT of this site.
    `stored_gb` of weights are what a bucket of the site is filled with once, and what each machine brings from outside
    itself; None: all of them are both."""
    both = _model_gb(request)
    kept, arriving = (both, both) if stored_gb is None else stored_gb
    for name, pool in pools.items():
        yield from pool_uses(
            PoolUse(
                name=name,
                cloud=cloud,
                region=region,
                instance_type=items.get(pool.shape, pool.shape),
                purchase=cast("Purchase", pool.purchase[0]),
                minimum=pool.min_nodes,
                maximum=pool.max_nodes,
                auto_mode=auto_mode,
                models=pool.models,
            )
        )
    around = ClusterUse(
        cloud=cloud,
        region=region,
        nat_gateways=nat_gateways,
        nodes_minimum=sum(pool.min_nodes for pool in pools.values()),
        nodes_maximum=sum(pool.max_nodes for pool in pools.values()),
        disk_gb_per_node=disk_gb,
        model_gb=arriving,
        kept_gb=kept,
        filled_gb=0.0 if stored_gb is None else kept,
    )
    for use in cluster_uses(around):
        if nat_gateways or not use.item.startswith("nat_gateway"):
            yield use


def _model_gb(request: SiteRequest) -> float:
    """As far as it is known."""
    return sum(
        model.memory.weights_gib * model.accelerator.count * model.nodes * GIB / 1e9
        for model in request.models.values()
        if model.memory and model.accelerator
    )

"""Uses: what a site needs besides its GPU machines, so that a bill does not forget it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.price.bill import Use
from infra.price.types import Purchase

SECONDS_PER_MONTH = 730 * 3600
# One event of a streamed answer: 217 bytes with a short model name, 235 with a longer one, and its framing.
STREAMED_TOKEN_BYTES = 250
CLOUD_RUN_VCPU, CLOUD_RUN_GIB = {"l4": 4, "rtx_pro_6000": 20}, {"l4": 16, "rtx_pro_6000": 80}


@dataclass(frozen=True, kw_only=True)
class ClusterUse:
    """A cluster around its node pools, with `nat_gateways` to the internet. Each new machine brings `model_gb` from
    outside the site's network, `filled_gb` come once; a bucket keeps `kept_gb`, None as much as a machine brings.
    `output_tokens_per_second` is the expected mean, for what leaves the cloud."""

    cloud: str
    region: str
    nat_gateways: int
    nodes_minimum: int
    nodes_maximum: int
    disk_gb_per_node: float
    model_gb: float
    kept_gb: float | None = None
    filled_gb: float = 0.0
    output_tokens_per_second: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """Machines of one type; with Auto Mode each also costs its fee."""

    name: str
    cloud: str
    region: str
    instance_type: str
    purchase: Purchase
    minimum: int
    maximum: int
    auto_mode: bool = False
    models: tuple[str, ...] = ()


def pool_uses(pool: PoolUse) -> Iterator[Use]:
    """The machines of a pool."""
    yield Use(
        what=f"node pool `{pool.name}`",
        cloud=pool.cloud,
        region=pool.region,
        item=pool.instance_type,
        purchase=pool.purchase,
        minimum=pool.minimum,
        maximum=pool.maximum,
        models=pool.models,
    )
    if pool.auto_mode:
        yield Use(
            what=f"EKS Auto Mode for `{pool.name}`",
            cloud=pool.cloud,
            region=pool.region,
            item="auto_mode_fee",
            share_of=pool.instance_type,
            minimum=pool.minimum,
            maximum=pool.maximum,
            models=pool.models,
        )


def cluster_uses(cluster: ClusterUse) -> Iterator[Use]:
    """Control plane, gateways to the internet, load balancer, disks, weights, and answers that leave."""
    leaving = answer_gb_per_month(cluster.output_tokens_per_second)
    gateways, fewest, most = cluster.nat_gateways, cluster.nodes_minimum, cluster.nodes_maximum
    arriving, once = cluster.model_gb, cluster.filled_gb
    kept = cluster.model_gb if cluster.kept_gb is None else cluster.kept_gb
    for what, item, minimum, maximum in (
        ("control plane", "kubernetes_control_plane", 1.0, 1.0),
        ("NAT gateways", "nat_gateway", gateways, gateways),
        ("through NAT gateways", "nat_gateway_data", once + arriving * fewest, once + arriving * most),
        ("load balancer", "load_balancer", 1.0, 1.0),
        ("through the load balancer", "load_balancer_data", leaving, leaving),
        ("disks of nodes", "block_storage", cluster.disk_gb_per_node * fewest, cluster.disk_gb_per_node * most),
        ("weights in a bucket", "object_storage", kept, kept),
        ("answers to the internet", "egress", leaving, leaving),
    ):
        yield Use(what=what, cloud=cluster.cloud, region=cluster.region, item=item, minimum=minimum, maximum=maximum)


def cloud_run_uses(*, region: str, gpu: str, minimum: float, maximum: float) -> Iterator[Use]:
    """Instances with a GPU and the least CPU and memory that go with it; fractions are the part of time they live."""
    for item, each in (
        (f"cloud_run_gpu_{gpu}", 1),
        ("cloud_run_vcpu", CLOUD_RUN_VCPU[gpu]),
        ("cloud_run_memory", CLOUD_RUN_GIB[gpu]),
    ):
        yield Use(
            what="Cloud Run instances",
            cloud="gcp",
            region=region,
            item=item,
            minimum=minimum * each,
            maximum=maximum * each,
        )


def answer_gb_per_month(output_tokens_per_second: float) -> float:
    """What streamed answers weigh on their way out."""
    return output_tokens_per_second * STREAMED_TOKEN_BYTES * SECONDS_PER_MONTH / 1e9

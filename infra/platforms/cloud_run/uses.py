"""What Google charges for a site on Cloud Run, and for the cluster that it is compared with, which serves the same."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.node_pools import shape_for
from infra.plan.types import Accelerator
from infra.platforms.cloud_run.instances import items
from infra.platforms.cloud_run.site_plan import FrontDoorPlan, ServicePlan
from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.shapes import PRICED_AS, SHAPES
from infra.price.bill import Use
from infra.price.crossover import Rival

CLUSTER, SERVERLESS = "GKE", "Cloud Run"
# Of the smallest cluster: one node for gateways and for what the cluster itself needs. Disks and what moves are in
# neither side: prices of disks are not known everywhere, and the same answers leave both.
GATEWAY_MACHINE = GcpSettings.model_fields["gateway_machine_type"].default


def instance_uses(
    service: ServicePlan, accelerator: Accelerator | None, region: str, models: tuple[str, ...] = ()
) -> Iterator[Use]:
    """Instances, from the fewest to the most."""
    for item, each in items(
        service.processors, service.memory_gibibytes, accelerator, redundant=service.zonal_redundancy
    ):
        yield Use(
            what=f"service `{service.name}`",
            cloud="gcp",
            region=region,
            item=item,
            minimum=service.min_instances * each,
            maximum=service.max_instances * each,
            models=models,
        )


def around_uses(door: FrontDoorPlan | None, region: str) -> Iterator[Use]:
    """What is there while nobody asks."""
    yield _one("way to the internet", region, "nat_gateway")
    if door is not None:
        yield _one("load balancer", region, "load_balancer")


def rival(
    service: ServicePlan, door: FrontDoorPlan | None, accelerator: Accelerator | None, region: str
) -> Rival | None:
    """A cluster with the same GPU on a machine for each replica. None without a GPU, whose machines are of any size."""
    shape = shape_for(accelerator, SHAPES) if accelerator else None
    if shape is None or accelerator is None:
        return None
    machine = PRICED_AS.get(shape.name, shape.name)
    each = items(service.processors, service.memory_gibibytes, accelerator, redundant=service.zonal_redundancy)
    return Rival(
        name=CLUSTER,
        own_name=SERVERLESS,
        around=(
            _one("control plane", region, "kubernetes_control_plane"),
            _one("node of gateways", region, GATEWAY_MACHINE),
            _one("way to the internet", region, "nat_gateway"),
            _one("load balancer", region, "load_balancer"),
        ),
        replica=(_one("machine", region, machine, 1 / (shape.gpus // accelerator.count)),),
        own_around=tuple(around_uses(door, region)),
        own_replica=tuple(_one("instance", region, item, amount) for item, amount in each),
    )


def _one(what: str, region: str, item: str, amount: float = 1.0) -> Use:
    return Use(what=what, cloud="gcp", region=region, item=item, minimum=amount, maximum=amount)

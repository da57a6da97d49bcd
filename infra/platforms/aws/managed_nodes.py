"""What node groups of ours cannot do, and how they differ from Auto Mode: problems and warnings of such a site."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.node_pools import shape_for
from infra.platforms.aws.config import AwsSettings, ManagedNodes
from infra.platforms.aws.fabric import efa_devices
from infra.platforms.aws.gpu_sharing import sharing_problems, sharing_warnings
from infra.platforms.aws.shapes import SHAPES
from infra.platforms.base import SiteRequest
from infra.problems import Problem, listing


def managed_problems(where: str, request: SiteRequest) -> Iterator[Problem]:
    """A reservation that no group could use, and GPUs that cannot be shared so."""
    settings: AwsSettings = request.settings
    nodes = settings.nodes
    if not isinstance(nodes, ManagedNodes):
        return
    reserved = "reservation" in nodes.purchase
    if reserved and nodes.reservation_zone not in settings.zones:
        yield Problem(
            where=f"{where}.nodes.reservation_zone",
            found=f"`{nodes.reservation_zone}`" if nodes.reservation_zone else "nothing, with `reservation`",
            allowed=f"the reservation's own zone, one of {listing(settings.zones)}",
            remedy="write the zone that the reservation was made in",
        )
    for name, given in {
        "reservation_zone": nodes.reservation_zone is not None,
        "capacity_block": nodes.capacity_block,
    }.items():
        if given and not reserved:
            yield Problem(
                where=f"{where}.nodes.{name}",
                found="of a reservation that `nodes.purchase` does not use",
                allowed="with `reservation` in `nodes.purchase` only",
                remedy=f"remove `{name}`, or add `reservation` to `nodes.purchase`",
            )
    yield from sharing_problems(request, f"{where}.nodes.sharing")


def managed_warnings(request: SiteRequest) -> Iterator[str]:
    """What Auto Mode would do, and what talks past everything."""
    settings: AwsSettings = request.settings
    if not isinstance(settings.nodes, ManagedNodes):
        return
    site = f"site `{request.site}`"
    yield (
        f"{site}: its nodes get no patch by themselves (`nodes: {{kind: managed}}`): update their groups with each "
        "release of their image; Auto Mode replaces a node within 21 days"
    )
    if settings.nodes.capacity_block:
        yield f"{site}: machines of its capacity block end with it, half an hour early, and engines on them too"
    yield from sharing_warnings(request)
    for name, model in request.models.items():
        shape = shape_for(model.accelerator, SHAPES) if model.accelerator else None
        if model.nodes > 1 and shape and efa_devices(shape.name):
            yield (
                f"model `{name}`: its nodes talk by EFA, past network policies, where the engine's image has libfabric "
                "and `aws-ofi-nccl`; without them NCCL takes TCP, and nothing but its speed says so"
            )
        elif model.nodes > 1 and shape:
            yield f"model `{name}`: its nodes talk by TCP, as `{shape.name}` has no EFA"

"""Node pools: machines of one shape for models of one accelerator, and a pool for gateways, from tables of shapes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from infra.catalog.gpus import gpus
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.serving import pool_name
from infra.plan.types import Accelerator, NodePool
from infra.platforms.base import SiteRequest
from infra.problems import Problem, listing


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One kind of machine with GPUs."""

    name: str
    gpus: int


# Numbers of cards that models are spread over: heads are divided by them.
COUNTS = (1, 2, 4, 8)
# A card of nearly the same memory is the nearest one: B200 for GB200.
ABOUT = 0.9
NOT_SHARED: Mapping[str, int] = MappingProxyType({})
# By accelerator, machines with fewer GPUs first.
Shapes = Mapping[str, Sequence[Shape]]


def most_gpus(shapes: Shapes) -> Mapping[str, int]:
    """How many of each accelerator one machine has at most."""
    return {name: max(machine.gpus for machine in machines) for name, machines in shapes.items()}


def shape_for(accelerator: Accelerator, shapes: Shapes) -> Shape | None:
    """The smallest machine that holds one replica."""
    return next((shape for shape in shapes.get(accelerator.type, ()) if shape.gpus >= accelerator.count), None)


def machine_for(
    accelerator: Accelerator | None, shapes: Shapes, processors: str, shared_by: Mapping[str, int] = NOT_SHARED
) -> tuple[str, float]:
    """The machine that one replica runs on, and the part of it that is its own."""
    shape = shape_for(accelerator, shapes) if accelerator else None
    return (shape.name, 1 / _together(shape, accelerator, shared_by)) if shape and accelerator else (processors, 1.0)


def _together(shape: Shape, accelerator: Accelerator, shared_by: Mapping[str, int]) -> int:
    """How many replicas one machine runs."""
    return shape.gpus * shared_by.get(accelerator.type, 1) // accelerator.count


def shape_problems(request: SiteRequest, shapes: Shapes, platform: str) -> Iterator[Problem]:
    """Accelerators that no machine of a platform has."""
    for name, model in request.models.items():
        accelerator = model.accelerator
        if accelerator is None or shape_for(accelerator, shapes):
            continue
        near = nearest_accelerator(accelerator, most_gpus(shapes))
        most = max((shape.gpus for shape in shapes.get(accelerator.type, ())), default=0)
        yield Problem(
            where=dotted(DEPLOYMENT_KEY, ("models", name, "accelerator")),
            found=f"{accelerator.count} × {accelerator.type}, on the site `{request.site}`",
            allowed=f"up to {most} × {accelerator.type} on one machine"
            if most
            else f"on {platform}: {listing(shapes)}",
            remedy=f"the nearest is `accelerator: {{type: {near.type}, count: {near.count}}}`; or choose another site",
        )


def nearest_accelerator(wanted: Accelerator, most: Mapping[str, int]) -> Accelerator:
    """As few cards as have about the memory that is wanted, and of these the smallest; where no machine has so much,
    the most that one has. `most` is how many of each card one machine has, older cards first."""
    offered = [
        (count, round(gpus()[name].usable_gib * count), place, name)
        for place, (name, at_most) in enumerate(most.items())
        for count in COUNTS
        if count <= at_most
    ]
    needed = gpus()[wanted.type].usable_gib * wanted.count * ABOUT
    enough = [found for found in offered if found[1] >= needed]
    count, _, _, name = min(enough) if enough else max(offered, key=lambda found: found[1])
    return Accelerator(type=name, count=count)


def node_pools(
    request: SiteRequest,
    *,
    shapes: Shapes,
    zones: tuple[str, ...],
    purchase: tuple[str, ...],
    gateway_shape: str,
    processor_shape: str,
    shared_by: Mapping[str, int] = NOT_SHARED,
) -> dict[str, NodePool]:
    """The pools of a site, by name: one for gateways, and one for each accelerator that its models need. `shared_by`
    is how many replicas share a GPU, by accelerator."""
    by_pool: defaultdict[str, list[str]] = defaultdict(list)
    for name, model in request.models.items():
        by_pool[pool_name(model)].append(name)
    pools = {
        "gateway": NodePool(
            name="gateway",
            shape=gateway_shape,
            accelerator=None,
            # What stands in front of everything is never on a machine that can be taken away.
            purchase=("on_demand",),
            zones=zones,
            min_nodes=request.gateways,
            max_nodes=request.gateways * 2,
            models=(),
        )
    }
    for pool, models in by_pool.items():
        accelerator = request.models[models[0]].accelerator
        shape = shape_for(accelerator, shapes) if accelerator else None
        together = _together(shape, accelerator, shared_by) if shape and accelerator else 1
        pools[pool] = NodePool(
            name=pool,
            shape=shape.name if shape else processor_shape,
            accelerator=accelerator,
            purchase=purchase,
            zones=zones,
            min_nodes=-(-sum(request.replicas[name].min * request.models[name].nodes for name in models) // together),
            max_nodes=-(-sum(request.replicas[name].max * request.models[name].nodes for name in models) // together),
            models=tuple(models),
            shared_by=shared_by.get(accelerator.type, 1) if accelerator else 1,
        )
    return pools

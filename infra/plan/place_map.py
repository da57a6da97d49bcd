"""What a site makes in a cloud, as somebody would draw it: layers of a network over zones, and what is beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.node_pools import NodePool
from infra.plan.pool_nodes import GATEWAY_POOL


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing. `kind` is for the style: `door`, `gateway`, `model`, or empty."""

    title: str
    detail: str
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A part of the network: `cells` are of its zones in their order, where it has a part in each, `over` lie over
    all."""

    name: str
    cells: tuple[Part, ...]
    over: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class PlaceMap:
    """Requests come in by `names` and go through the layers from first to last. `beside` is what the region has outside
    of the network. `zones` are empty where nobody chooses them."""

    region: str
    network: str
    zones: tuple[str, ...]
    names: Part
    layers: tuple[Layer, ...]
    beside: tuple[Part, ...]


def machines(pools: Mapping[str, NodePool]) -> Iterator[Part]:
    """One part for each pool."""
    for name, pool in pools.items():
        kind = "gateway" if name == GATEWAY_POOL else "model"
        yield Part(title=f"nodes {name}", detail=pool.text, kind=kind)

"""What a site makes in a cloud, as somebody would draw it: layers of a network over zones, and what is beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing. `kind` is for the style: `door`, `gateway`, `model`, or empty."""

    title: str
    detail: str
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A part of the network that is in every zone: `cells` are of its zones in their order, `over` lie over all."""

    name: str
    cells: tuple[Part, ...]
    over: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class PlaceMap:
    """Requests come in by `names` and go through the layers from first to last. `beside` is what the region has outside
    of the network."""

    region: str
    network: str
    zones: tuple[str, ...]
    names: Part
    layers: tuple[Layer, ...]
    beside: tuple[Part, ...]

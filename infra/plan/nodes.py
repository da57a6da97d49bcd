"""Which nodes a pod runs on, in words that every cluster shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class GpuClaim:
    """Devices that a pod claims (dynamic resource allocation). `selector` is a CEL expression over a device."""

    device_class: str
    count: int
    selector: str | None


@dataclass(frozen=True, kw_only=True)
class NodeChoice:
    """Which nodes a kind of engine runs on: labels they must have, what it asks of them, and what it tolerates. Nodes
    of one replica have the same value of the label `fabric`. `in_order` are labels that have one of several values:
    each is tried while no node with one before it has room."""

    labels: Mapping[str, str]
    resources: Mapping[str, int]
    tolerates: str | None
    claim: GpuClaim | None = None
    fabric: str = "topology.kubernetes.io/zone"
    in_order: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


ANY_NODE = NodeChoice(labels={}, resources={}, tolerates=None)

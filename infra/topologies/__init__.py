"""How models spread over sites: one file and one registry line per topology."""

from infra.registry import Registry
from infra.topologies.base import Topology

TOPOLOGIES: Registry[Topology] = Registry(
    name="topologies",
    builtin={"monolithic": "infra.topologies.monolithic:TOPOLOGY"},
)

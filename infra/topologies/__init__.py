"""How models spread over sites: one file and one registry line per topology."""

from infra.registry import Registry
from infra.topologies.base import Topology

TOPOLOGIES: Registry[Topology] = Registry(
    name="topologies",
    builtin={
        "monolithic": "infra.topologies.monolithic:TOPOLOGY",
        "microservice": "infra.topologies.microservice:TOPOLOGY",
        "ha": "infra.topologies.ha:TOPOLOGY",
        "hybrid": "infra.topologies.hybrid:TOPOLOGY",
        "edge": "infra.topologies.edge:TOPOLOGY",
        "serverless": "infra.topologies.serverless:TOPOLOGY",
    },
)

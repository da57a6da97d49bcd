"""`staging` and `serverless` on Google Cloud beyond every stack's life: what is left of one, and refusals while it is
made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.engine.stacks import refusals
from tests.engine.stacks.cloud_place import CloudWithCluster, StandInCloud
from tests.engine.stacks.deployed import Deployments
from tests.engine.stacks.rows import SERVERLESS, STAGING, ExampleStack

FULL = os.environ.get("FAULTS_FULL") == "1"
pytestmark = pytest.mark.timeout(1800 if FULL else 400)


@dataclass(frozen=True)
class Edges:
    """Something of each component, in the order of their making: logical names of the cloud, objects of the cluster."""

    cloud: tuple[str, ...]
    cluster: tuple[str, ...] = ()


EVERY: Mapping[str, Edges] = {
    "staging": Edges(
        (
            "main-services-images",
            "main-keys-data-disks",
            "main-buckets-models",
            "main-registry-nodes",
            "main-network-nodes",
            "main-cluster-control-plane",
            "main-pools-l4-1-on-demand",
            "main-door-names-site",
        ),
        ("ComputeClass l4-1", "Deployment slipway/gateway", "Gateway slipway/front-door"),
    ),
    "serverless": Edges(
        ("main-keys-run", "main-secrets-gateway", "main-weights-fills", "main-fetch-weights", "main-service"),
    ),
}
SAMPLED: Mapping[str, Edges] = {
    "staging": Edges(("main-cluster-control-plane",), ("Gateway slipway/front-door",)),
    "serverless": Edges(("main-fetch-weights",)),
}
# What a stack leaves behind on purpose: who asked what of which model.
LEFT = {"staging": [], "serverless": ["main-audit"]}


@pytest.mark.parametrize("example", [STAGING, SERVERLESS], ids=lambda example: example.name)
def test_one_that_has_gone_is_made_again_whatever_is_refused_meanwhile(
    example: ExampleStack, deployments: Deployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = deployments.of(example)
    place = deployed.place
    assert isinstance(place, StandInCloud | CloudWithCluster)
    deployed.pulumi("destroy", "--yes", "--skip-preview")
    assert [thing["name"] for thing in place.cloud.things().values()] == LEFT[example.name]
    place.renew()
    edges = (EVERY if FULL else SAMPLED)[example.name]
    refusals.at_edges(deployed, place, edges.cloud, edges.cluster, monkeypatch)

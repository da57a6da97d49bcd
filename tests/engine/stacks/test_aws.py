"""`prod` on AWS beyond every stack's life: refusals at its parts' edges, a standby, what is protected.

The standby is deployed beside the first site, in the same cloud and with a cluster of its own; every failure happens to
it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.engine.checkout import Checkout
from tests.engine.stacks import refusals
from tests.engine.stacks.cloud_place import CloudWithCluster
from tests.engine.stacks.conftest import stand_in_aws
from tests.engine.stacks.deployed import Deployed, Deployments, give_secrets, prepared
from tests.engine.stacks.rows import PROD

FULL = os.environ.get("FAULTS_FULL") == "1"
pytestmark = pytest.mark.timeout(1800 if FULL else 400)

RECORD = "aws:route53/record:Record"
# Logical names of the cloud, and objects of the cluster: something of each component, in the order of their making.
CLOUD_EDGES = (
    "west-keys-data",
    "west-buckets-models",
    "west-network-private-b",
    "west-cluster-control-plane",
    "west-storage-files",
    "west-door-balancer",
    "west-door-names-certificate",
)
CLUSTER_EDGES = ("NodeClass slipway", "Namespace slipway", "Deployment slipway/gateway")
SAMPLED = ("west-network-private-b", "west-cluster-control-plane", "west-door-balancer"), CLUSTER_EDGES[1:2]


@pytest.fixture
def prod(deployments: Deployments) -> Deployed:
    return deployments.of(PROD)


def _aws(deployed: Deployed) -> CloudWithCluster:
    assert isinstance(deployed.place, CloudWithCluster)
    return deployed.place


# -- the standby, and failures -----------------------------------------------------------------------------------------


class Standby:
    """The same deployment's second site: a stack of its own."""

    def __init__(self, checkout: Checkout, place: CloudWithCluster) -> None:
        self.checkout, self.place = checkout, place

    def pulumi(self, command: str, *arguments: str, check: bool = True) -> str:
        return self.checkout.pulumi(command, "--stack", self.checkout.stack, *arguments, check=check)

    def resources(self) -> list[dict[str, Any]]:
        return json.loads(self.pulumi("stack", "export"))["deployment"].get("resources", [])


@pytest.fixture(scope="module")
def standby(deployments: Deployments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    first = _aws(deployments.of(PROD))
    folder = tmp_path_factory.mktemp("standby")
    with stand_in_aws(folder, "us-west-2", "abc", "slipway-prod-west", first.around.file) as place:
        checkout = prepared(PROD, place, folder / "checkout")
        content = yaml.safe_load(checkout.stack_file.read_text())
        content["config"]["slipway:site"] = "west"
        checkout.stack_file.write_text(yaml.safe_dump(content, sort_keys=False))
        give_secrets(PROD, checkout)
        yield Standby(checkout, place)
        checkout.close()


def test_a_refusal_at_an_edge_leaves_a_state_that_is_true(standby: Standby, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud_edges, cluster_edges = (CLOUD_EDGES, CLUSTER_EDGES) if FULL else SAMPLED
    refusals.at_edges(standby, standby.place, cloud_edges, cluster_edges, monkeypatch)


def test_a_standby_is_a_stack_of_its_own_and_goes_without_the_first_site(standby: Standby, prod: Deployed) -> None:
    first = _aws(prod).made()
    shared = [thing for thing in standby.place.cloud.of_type(RECORD) if thing["inputs"].get("setIdentifier")]
    ways = {thing["name"]: thing["inputs"]["failoverRoutingPolicies"][0]["type"] for thing in shared}
    assert ways == {"main-door-names-shared": "PRIMARY", "west-door-names-shared": "SECONDARY"}
    standby.pulumi("destroy", "--yes", "--skip-preview")
    assert not standby.place.made()
    assert _aws(prod).made() == first
    assert not prod.planned("--refresh")  # the proof of the shared name's owner is still there


def test_what_is_protected_is_not_destroyed(prod: Deployed) -> None:
    """`pulumi destroy` is asked by a preview: without it, what is not protected goes before it comes to what is. `make
    down` asks for itself."""

    def protect(deployment: dict[str, Any], value: bool = True) -> None:
        deployment["sites"]["main"]["platform"]["deletion_protection"] = value

    prod.checkout.change(protect)
    prod.up()
    kept = {one["urn"].rsplit("::", 1)[-1] for one in prod.resources() if one.get("protect")}
    assert {"main-cluster-control-plane", "main-buckets-models", "main-keys-data", "main-buckets-audit"} <= kept
    printed = prod.pulumi("destroy", "--preview-only", check=False)
    assert "because it is protected" in printed
    there = _aws(prod).things(prod.checkout)
    refused = prod.checkout.run("make", "down", f"STACK={prod.example.name}", check=False)
    assert "where    stack prod" in refused
    assert "aws:kms/key:Key main-keys-data" in refused
    assert "write `deletion_protection: false` on the platform of each of its sites in Pulumi.prod.yaml" in refused
    assert _aws(prod).things(prod.checkout) == there
    prod.checkout.change(lambda deployment: protect(deployment, False))
    prod.up()

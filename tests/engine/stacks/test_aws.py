"""`prod` on AWS beyond every stack's life: refusals at its parts' edges, drift in cloud and cluster, a standby.

Experiments 32 and 36 where a cloud and a cluster are one stack. The standby is deployed beside the first site, in the
same cloud and with a cluster of its own; every failure happens to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.cluster.plugin_objects import BREAK
from tests.engine.checkout import Checkout
from tests.engine.stacks.aws_place import StandInAws
from tests.engine.stacks.conftest import stand_in_aws
from tests.engine.stacks.deployed import Deployed, Deployments, counted, give_secrets, prepared
from tests.engine.stacks.rows import PROD
from tests.engine.stacks.test_drift import Edit

FULL = os.environ.get("FAULTS_FULL") == "1"
pytestmark = pytest.mark.timeout(1800 if FULL else 400)

RECORD = "aws:route53/record:Record"
UP = ("up", "--yes", "--skip-preview")
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


def _aws(deployed: Deployed) -> StandInAws:
    assert isinstance(deployed.place, StandInAws)
    return deployed.place


# -- drift -------------------------------------------------------------------------------------------------------------

# Logical name → what somebody does with a console; None: it is deleted. Names are unique among those of their type.
CLOUD_EDITS: Mapping[tuple[str, str], Mapping[str, Any] | None] = {
    ("ec2/route:Route", "main-network-private-a-out"): None,
    ("wafv2/webAclAssociation:WebAclAssociation", "main-door-firewall"): None,
    ("eks/podIdentityAssociation:PodIdentityAssociation", "main-identity-model-fetch"): None,
    ("vpc/securityGroupIngressRule:SecurityGroupIngressRule", "main-door-from-balancer"): {"toPort": 65535},
    ("s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "main-buckets-models"): {"blockPublicPolicy": False},
    ("kms/key:Key", "main-keys-data"): {"enableKeyRotation": False},
    ("lb/loadBalancer:LoadBalancer", "main-door-balancer"): {"idleTimeout": 60},
    ("lb/targetGroup:TargetGroup", "main-door-gateways"): {"deregistrationDelay": 0},
    ("lb/listener:Listener", "main-door-https"): {"sslPolicy": "ELBSecurityPolicy-2016-08"},
    ("cloudwatch/logGroup:LogGroup", "main-network-flows"): {"retentionInDays": 1},
    ("eks/cluster:Cluster", "main-cluster-control-plane"): {"enabledClusterLogTypes": ["api"]},
}
EKS = "eks.amazonaws.com/v1"
CLUSTER_EDITS = {
    "main-pools-l40s-1-on-demand": Edit("karpenter.sh/v1", "NodePool", "l40s-1-on-demand", {"spec": {"weight": 1}}),
    "main-pools-class": Edit(EKS, "NodeClass", "slipway", {"spec": {"networkPolicy": "DefaultDeny"}}),
    "main-door-binding": Edit(EKS, "TargetGroupBinding", "gateway"),
}


def _edit_the_cloud(place: StandInAws) -> None:
    with place.cloud.change() as held:
        for (kind, name), change in CLOUD_EDITS.items():
            found = [
                address
                for address, thing in held["things"].items()
                if thing["type"] == f"aws:{kind}" and thing["name"] == name
            ]
            (address,) = found
            if change is None:
                del held["things"][address]
            else:
                assert all(held["things"][address]["inputs"].get(key) != value for key, value in change.items())
                held["things"][address]["inputs"] |= change


def test_what_people_change_in_cloud_and_cluster_is_found_and_taken_back(prod: Deployed) -> None:
    place = _aws(prod)
    _edit_the_cloud(place)
    for edit in CLUSTER_EDITS.values():
        edit.apply(place.client)
    cloud = {name: change for (_, name), change in CLOUD_EDITS.items()}
    cluster = {name: edit.patch for name, edit in CLUSTER_EDITS.items()}
    edits = {**cloud, **cluster}
    assert prod.planned("--refresh") == {
        "create": frozenset(name for name, change in edits.items() if change is None),
        "update": frozenset(name for name, change in edits.items() if change is not None),
    }
    prod.up("--refresh")
    assert not prod.planned("--refresh")
    assert not place.wrong(prod.checkout, prod.resources())


# -- the standby, and failures -----------------------------------------------------------------------------------------


class Standby:
    """The same deployment's second site: a stack of its own."""

    def __init__(self, checkout: Checkout, place: StandInAws) -> None:
        self.checkout, self.place = checkout, place

    def pulumi(self, command: str, *arguments: str, check: bool = True) -> str:
        return self.checkout.pulumi(command, "--stack", self.checkout.stack, *arguments, check=check)

    def held(self) -> set[str]:
        """What the state says is in the cloud."""
        of_aws = [one for one in self._resources() if one["type"].startswith("aws:")]
        return {f"{one['type']} {one['id']}" for one in of_aws if not one["inputs"].get("allowOverwrite")}

    def come_before(self, edge: str) -> None:
        """Back to nothing where it is there already: what is beside an edge may be made with the one before."""
        there = {one["urn"].rpartition("::")[2] for one in self._resources()}
        there |= {f"{one['inputs'].get('kind')} {one.get('id')}" for one in self._resources() if one.get("inputs")}
        if edge in there:
            self.pulumi("destroy", "--yes", "--skip-preview")

    def _resources(self) -> list[dict[str, Any]]:
        return json.loads(self.pulumi("stack", "export"))["deployment"].get("resources", [])


@pytest.fixture(scope="module")
def standby(deployments: Deployments, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standby]:
    first = _aws(deployments.of(PROD))
    folder = tmp_path_factory.mktemp("standby")
    with stand_in_aws(folder, "us-west-2", "abc", "slipway-prod-west", first.file) as place:
        checkout = prepared(PROD, place, folder / "checkout")
        content = yaml.safe_load(checkout.stack_file.read_text())
        content["config"]["slipway:site"] = "west"
        checkout.stack_file.write_text(yaml.safe_dump(content, sort_keys=False))
        give_secrets(PROD, checkout)
        yield Standby(checkout, place)
        checkout.close()


def test_a_refusal_at_an_edge_leaves_a_state_that_is_true(standby: Standby, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud_edges, cluster_edges = (CLOUD_EDGES, CLUSTER_EDGES) if FULL else SAMPLED
    for edge in cloud_edges:
        standby.come_before(edge)
        standby.place.cloud.refuse(edge)
        assert f"{edge}: refused" in standby.pulumi(*UP, check=False)
        assert {*standby.place.made()} == standby.held()
    standby.place.cloud.refuse()
    for edge in cluster_edges:
        standby.come_before(edge)
        monkeypatch.setitem(standby.checkout.more_environment, BREAK, edge)
        assert f"{edge}: refused" in standby.pulumi(*UP, check=False)
        assert {*standby.place.made()} == standby.held()
    monkeypatch.undo()
    assert counted(standby.pulumi(*UP)).keys() == {"created", "unchanged"}  # the rest, and nothing twice
    standby.pulumi("preview", "--refresh", "--expect-no-changes")


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

"""Experiment 36 where a cloud and a cluster are one stack: what people change by hand is found, and taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.clouds.cloud import Cloud
from tests.engine.stacks.cloud_place import CloudWithCluster, StandInCloud
from tests.engine.stacks.deployed import Deployments
from tests.engine.stacks.rows import PROD, SERVERLESS, STAGING, ExampleStack
from tests.engine.stacks.test_drift import Edit

pytestmark = pytest.mark.timeout(400)

EKS, GKE = "eks.amazonaws.com/v1", "networking.gke.io/v1"


@dataclass(frozen=True)
class Edits:
    """By type and logical name in the cloud, what somebody does with a console (None: it is deleted); and by logical
    name, edits of objects of the cluster. Names are unique among those of their type."""

    cloud: Mapping[tuple[str, str], Mapping[str, Any] | None]
    cluster: Mapping[str, Edit] = field(default_factory=dict)

    def apply(self, cloud: Cloud) -> None:
        with cloud.change() as held:
            for (kind, name), change in self.cloud.items():
                (address,) = [
                    address
                    for address, thing in held["things"].items()
                    if thing["type"].endswith(f":{kind}") and thing["name"] == name
                ]
                if change is None:
                    del held["things"][address]
                else:
                    inputs = held["things"][address]["inputs"]
                    assert all(inputs.get(key) != value for key, value in change.items())
                    inputs |= change

    def expected(self) -> dict[str, frozenset[str]]:
        """What has to be done about them."""
        edits = [(name, change) for (_, name), change in self.cloud.items()]
        edits += [(name, edit.patch) for name, edit in self.cluster.items()]
        return {
            "create": frozenset(name for name, change in edits if change is None),
            "update": frozenset(name for name, change in edits if change is not None),
        }


OF_PROD = Edits(
    {
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
    },
    {
        "main-pools-l40s-1-on-demand": Edit("karpenter.sh/v1", "NodePool", "l40s-1-on-demand", {"spec": {"weight": 1}}),
        "main-pools-class": Edit(EKS, "NodeClass", "slipway", {"spec": {"networkPolicy": "DefaultDeny"}}),
        "main-door-binding": Edit(EKS, "TargetGroupBinding", "gateway"),
    },
)
OF_STAGING = Edits(
    {
        ("compute/routerNat:RouterNat", "main-network-nat"): None,
        ("storage/bucketIAMMember:BucketIAMMember", "main-identity-engine-chat"): None,
        ("storage/bucket:Bucket", "main-buckets-models"): {"publicAccessPrevention": "inherited"},
        ("kms/cryptoKey:CryptoKey", "main-keys-data"): {"rotationPeriod": "315360000s"},
        ("compute/sSLPolicy:SSLPolicy", "main-door-tls"): {"minTlsVersion": "TLS_1_0"},
        ("compute/securityPolicy:SecurityPolicy", "main-door-firewall"): {"rules": []},
        ("dns/recordSet:RecordSet", "main-door-names-shared"): {"rrdatas": ["198.51.100.66"]},
        ("container/cluster:Cluster", "main-cluster-control-plane"): {"releaseChannel": {"channel": "RAPID"}},
    },
    {
        "main-pools-l4-1": Edit(
            "cloud.google.com/v1", "ComputeClass", "l4-1", {"spec": {"whenUnsatisfiable": "ScaleUpAnyway"}}
        ),
        "main-door-backend-policy": Edit(GKE, "GCPBackendPolicy", "gateway", {"spec": {"default": {"timeoutSec": 5}}}),
        "main-door-health-policy": Edit(GKE, "HealthCheckPolicy", "gateway"),
    },
)
OF_SERVERLESS = Edits(
    {
        ("compute/routerNat:RouterNat", "main-network"): None,
        ("secretmanager/secretIamMember:SecretIamMember", "main-secrets-gateway"): None,
        ("compute/firewall:Firewall", "main-network-nothing-else"): {"disabled": True},
        ("storage/bucket:Bucket", "main-weights"): {"publicAccessPrevention": "inherited"},
        ("kms/cryptoKey:CryptoKey", "main-keys"): {"rotationPeriod": "315360000s"},
        ("cloudrunv2/service:Service", "main-service"): {"ingress": "INGRESS_TRAFFIC_ALL"},
        ("compute/sSLPolicy:SSLPolicy", "main-door"): {"minTlsVersion": "TLS_1_0"},
        ("dns/recordSet:RecordSet", "main-door-names-shared"): {"rrdatas": ["198.51.100.66"]},
    }
)
ROWS = ((PROD, OF_PROD), (STAGING, OF_STAGING), (SERVERLESS, OF_SERVERLESS))


@pytest.mark.parametrize(("example", "edits"), ROWS, ids=[example.name for example, _ in ROWS])
def test_what_people_change_by_hand_is_found_and_taken_back(
    example: ExampleStack, edits: Edits, deployments: Deployments
) -> None:
    deployed = deployments.of(example)
    place = deployed.place
    assert isinstance(place, StandInCloud | CloudWithCluster)
    edits.apply(place.cloud)
    for edit in edits.cluster.values():
        assert isinstance(place, CloudWithCluster)
        edit.apply(place.client)
    assert deployed.planned("--refresh") == edits.expected()
    deployed.up("--refresh")
    assert not deployed.planned("--refresh")
    assert not place.wrong(deployed.checkout, deployed.resources())

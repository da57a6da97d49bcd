"""What resources of clouds would compute, as far as a program goes on with it: names, addresses, records of proof.

Of nobody's account: what is rendered shows the form of such values, never a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

ACCOUNT = "123456789012"
COMPUTED: Mapping[str, Mapping[str, Any]] = {
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://cluster.example.com",
        "certificateAuthority": {"data": "a-certificate"},
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
    "aws:lb/loadBalancer:LoadBalancer": {"dnsName": "balancer.example.com", "zoneId": "Z0BALANCER"},
    "aws:elasticache/replicationGroup:ReplicationGroup": {"primaryEndpointAddress": "limits.example.com"},
    "aws:route53/record:Record": {"fqdn": "proof.example.com"},
    "gcp:artifactregistry/repository:Repository": {"name": "images"},
    "gcp:compute/globalAddress:GlobalAddress": {"address": "192.0.2.10"},
    "gcp:container/cluster:Cluster": {
        "endpoint": "198.51.100.2",
        "masterAuth": {"clusterCaCertificate": "a-certificate"},
    },
}
# What a program asks a cloud without making anything.
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
    "aws:route53/getZone:getZone": {"zoneId": "Z0EXAMPLE"},
    # A zone of every name there is: the root.
    "gcp:dns/getManagedZones:getManagedZones": {"managedZones": [{"dnsName": ".", "name": "example"}]},
    "gcp:organizations/getProject:getProject": {"number": ACCOUNT},
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": {
        "member": f"serviceAccount:service-{ACCOUNT}@gs-project-accounts.iam.gserviceaccount.com"
    },
}


def computed(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a resource of a cloud answers beside its inputs; nothing for those of others."""
    return OF_CLOUDS[cloud](token, name, inputs) if (cloud := token.partition(":")[0]) in OF_CLOUDS else {}


def _of_aws(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    kind = token.partition(":")[2]
    found: dict[str, Any] = {
        "arn": f"arn:aws:{kind.partition('/')[0]}:us-east-1:{ACCOUNT}:{name}",
        "name": inputs.get("name", name),
    }
    if kind.startswith("lb/"):
        found["arnSuffix"] = f"app/{name}"
    if kind == "eks/cluster:Cluster":
        found["vpcConfig"] = {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-of-the-cluster"}
    if kind == "eks/nodeGroup:NodeGroup":
        found["resources"] = [{"autoscalingGroups": [{"name": f"eks-{name}-0a1b2c"}]}]
    if kind == "acm/certificate:Certificate":
        found["domainValidationOptions"] = [
            {
                "domainName": domain,
                "resourceRecordName": f"_proof.{domain}",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": f"_proof.{domain}.acm-validations.aws",
            }
            for domain in (inputs["domainName"], *inputs["subjectAlternativeNames"])
        ]
    return {**found, **COMPUTED.get(token, {})}


def _of_google(token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    kind = token.partition(":")[2]
    found: dict[str, Any] = {"name": inputs.get("name", name)}
    if kind == "serviceaccount/account:Account":
        found["email"] = f"{inputs['accountId']}@example.iam.gserviceaccount.com"
    if kind == "projects/serviceIdentity:ServiceIdentity":
        found["member"] = f"serviceAccount:service-{ACCOUNT}@{name}.iam.gserviceaccount.com"
    if kind == "container/cluster:Cluster":
        endpoint = {"endpoint": "gke-cluster.us-central1.gke.goog"}
        found["controlPlaneEndpointsConfig"] = {"dnsEndpointConfig": endpoint}
        found["privateClusterConfig"] = {**inputs["privateClusterConfig"], "privateEndpoint": "10.60.223.242"}
    if kind == "certificatemanager/dnsAuthorization:DnsAuthorization":
        record = {"name": f"_acme-challenge.{inputs['domain']}.", "type": "CNAME", "data": f"{name}.authorize.example."}
        found["dnsResourceRecords"] = [record]
    return {**found, **COMPUTED.get(token, {})}


OF_CLOUDS: Mapping[str, Callable[[str, str, Mapping[str, Any]], dict[str, Any]]] = {"aws": _of_aws, "gcp": _of_google}

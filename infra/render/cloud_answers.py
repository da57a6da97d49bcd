"""What resources of clouds would compute, as far as a program goes on with it: names, addresses, records of proof.

Of nobody's account: what is rendered shows the form of such values, never a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.render import google_answers

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
}
# What a program asks a cloud without making anything.
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
    "aws:route53/getZone:getZone": {"zoneId": "Z0EXAMPLE"},
    **google_answers.ANSWERS,
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


OF_CLOUDS: Mapping[str, Callable[[str, str, Mapping[str, Any]], dict[str, Any]]] = {
    "aws": _of_aws,
    "gcp": google_answers.computed,
}

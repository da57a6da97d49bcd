"""What resources of clouds would compute, as far as a program goes on with it: names, addresses, records of proof.

Of nobody's account: what is rendered shows the form of such values, never a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    if token.startswith("gcp:"):
        return google_answers.computed(token, name, inputs)
    if not token.startswith("aws:"):
        return {}
    kind = token.partition(":")[2]
    found: dict[str, Any] = {
        "arn": f"arn:aws:{kind.partition('/')[0]}:us-east-1:{ACCOUNT}:{name}",
        "name": inputs.get("name", name),
    }
    if kind.startswith("lb/"):
        found["arnSuffix"] = f"app/{name}"
    if kind == "eks/cluster:Cluster":
        found["vpcConfig"] = {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-of-the-cluster"}
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

"""What AWS computes of what it makes, as far as a program goes on with it: ARNs, addresses, records of proof.

Forms are those of the AWS documentation's examples; the account is the one that it uses, nobody's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from infra.render.made import Answer, Answers, Asked, Made, made_up

ACCOUNT = "123456789012"
# Where something is that nobody has given a place.
REGION = "us-east-1"
AUTHORITY = base64.b64encode(b"a certificate of nobody").decode()
SERVICES = {
    "lb": "elasticloadbalancing",
    "alb": "elasticloadbalancing",
    "vpc": "ec2",
    "cloudwatch": "logs",
    "amp": "aps",
}
GLOBAL = {"iam", "route53", "s3", "budgets", "shield"}
# The end of an ARN where it is not the type and the name: `…` are digits that AWS adds.
FORMS = {
    "aws:cloudwatch/logGroup:LogGroup": "log-group:{}",
    "aws:lb/loadBalancer:LoadBalancer": "loadbalancer/app/{}/…",
    "aws:lb/targetGroup:TargetGroup": "targetgroup/{}/…",
    "aws:lb/trustStore:TrustStore": "truststore/{}/…",
    "aws:secretsmanager/secret:Secret": "secret:{}-…",
    "aws:sns/topic:Topic": "{}",
}
# How many.
DIGITS = {"aws:secretsmanager/secret:Secret": 6}


def computed(token: str) -> Answers:
    """Of every type an ARN, and what it has beside that."""
    return {"arn": arn, **_COMPUTED.get(token, {})}


def arn(made: Made) -> str:
    """The resource's own; an id that is one already, or a name under its path."""
    if made.id.startswith("arn:"):
        return made.id
    service, _, rest = made.token.removeprefix("aws:").partition("/")
    service = SERVICES.get(service, service)
    below = f"{made.inputs['path'].strip('/')}/{made.called}" if "path" in made.inputs else made.called
    if service == "s3":
        return f"arn:aws:s3:::{below}"
    where = "" if service in GLOBAL else made.place
    form = FORMS.get(made.token, f"{rest.partition(':')[0].lower()}/{{}}")
    drawn = made_up(DIGITS.get(made.token, 16), below, made.place)
    return f"arn:aws:{service}:{where}:{ACCOUNT}:{form.format(below).replace('…', drawn)}"


def _digits(length: int, *of: str) -> Answer:
    return lambda made: made_up(length, made.called, made.place, *of)


def _id(kind: str, of: str) -> Answer:
    """Of something that comes with the resource."""
    return lambda made: f"{kind}-{made_up(17, made.id, of)}"


def _control_plane(made: Made) -> str:
    return _digits(32)(made).upper()


def _proof(made: Made) -> list[dict[str, str]]:
    names = [made.inputs["domainName"], *made.inputs.get("subjectAlternativeNames", [])]
    # A wildcard's record is that of what it stands for.
    records = {name.removeprefix("*."): name for name in reversed(names)}
    return [
        {
            "domainName": name,
            "resourceRecordName": f"_{made_up(32, domain)}.{domain}.",
            "resourceRecordType": "CNAME",
            "resourceRecordValue": f"_{made_up(32, domain, 'value')}.acm-validations.aws.",
        }
        for domain, name in sorted(records.items())
    ]


def _balancer(made: Made) -> str:
    inside = "internal-" if made.inputs.get("internal") else ""
    return f"{inside}{made.called}-{made_up(10, made.id)}.{made.place}.elb.amazonaws.com"


def _cache(made: Made) -> str:
    return f"master.{made.called}.{made_up(6, made.id)}.{made.place[:3]}1.cache.amazonaws.com"


def _tunnel_address(number: int) -> Answer:
    """Of the range for documentation."""
    return lambda made: f"198.51.100.{100 * number + int(made_up(1, made.id), 16)}"


_COMPUTED: Mapping[str, Answers] = {
    "aws:eks/cluster:Cluster": {
        "endpoint": lambda made: f"https://{_control_plane(made)}.gr7.{made.place}.eks.amazonaws.com",
        "certificateAuthority": lambda made: {"data": AUTHORITY},
        "certificateAuthorities": lambda made: [{"data": AUTHORITY}],
        "identities": lambda made: [
            {"oidcs": [{"issuer": f"https://oidc.eks.{made.place}.amazonaws.com/id/{_control_plane(made)}"}]}
        ],
        "vpcConfig.clusterSecurityGroupId": _id("sg", "cluster"),
        "status": lambda made: "ACTIVE",
        "platformVersion": lambda made: "eks.7",
    },
    "aws:eks/nodeGroup:NodeGroup": {
        "resources": lambda made: [
            {"autoscalingGroups": [{"name": f"eks-{made.called}-{made_up(8, made.called)}"}]},
        ]
    },
    "aws:acm/certificate:Certificate": {
        "status": lambda made: "PENDING_VALIDATION",
        "domainValidationOptions": _proof,
    },
    "aws:acm/certificateValidation:CertificateValidation": {},
    "aws:lb/loadBalancer:LoadBalancer": {
        "dnsName": _balancer,
        "zoneId": lambda made: f"Z{made_up(13, made.place).upper()}",
        "arnSuffix": lambda made: arn(made).partition("loadbalancer/")[2],
    },
    "aws:lb/targetGroup:TargetGroup": {"arnSuffix": lambda made: arn(made).rpartition(":")[2]},
    "aws:ec2/vpc:Vpc": {
        "defaultSecurityGroupId": _id("sg", "default"),
        "mainRouteTableId": _id("rtb", "main"),
        "defaultNetworkAclId": _id("acl", "default"),
        "ownerId": lambda made: ACCOUNT,
    },
    "aws:ec2/eip:Eip": {"allocationId": lambda made: made.id, "publicIp": lambda made: "203.0.113.7"},
    "aws:ec2/vpnConnection:VpnConnection": {
        f"tunnel{number}{field}": answer
        for number in (1, 2)
        for field, answer in (
            ("Address", _tunnel_address(number)),
            ("PresharedKey", _digits(32, f"tunnel{number}")),
        )
    },
    "aws:ec2/vpcEndpoint:VpcEndpoint": {"networkInterfaceIds": lambda made: [f"eni-{made_up(17, made.id)}"]},
    "aws:ec2/launchTemplate:LaunchTemplate": {
        "latestVersion": lambda made: 1,
        "defaultVersion": lambda made: 1,
    },
    "aws:s3/bucket:Bucket": {
        "bucketRegionalDomainName": lambda made: f"{made.called}.s3.{made.place}.amazonaws.com",
        "bucketDomainName": lambda made: f"{made.called}.s3.amazonaws.com",
    },
    "aws:kms/key:Key": {"keyId": lambda made: made.id},
    "aws:ecr/repository:Repository": {
        "repositoryUrl": lambda made: f"{ACCOUNT}.dkr.ecr.{made.place}.amazonaws.com/{made.called}",
        "registryId": lambda made: ACCOUNT,
    },
    "aws:iam/role:Role": {"uniqueId": lambda made: f"AROA{made_up(17, made.id).upper()}"},
    "aws:elasticache/replicationGroup:ReplicationGroup": {
        "primaryEndpointAddress": _cache,
        "configurationEndpointAddress": _cache,
        "port": lambda made: 6379,
    },
    "aws:route53/record:Record": {"fqdn": lambda made: made.inputs["name"]},
    "aws:secretsmanager/secretVersion:SecretVersion": {"versionId": _digits(32)},
}


def _zone(inputs: Mapping[str, Any], place: str) -> dict[str, Any]:
    del place
    zone = f"Z{made_up(13, inputs['name']).upper()}"
    return {"id": zone, "zoneId": zone, "name": inputs["name"]}


ANSWERS: Mapping[str, Asked] = {
    "aws:index/getCallerIdentity:getCallerIdentity": lambda inputs, place: {
        "accountId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/somebody",
        "userId": "AIDASOMEBODY",
        "id": ACCOUNT,
    },
    "aws:index/getRegion:getRegion": lambda inputs, place: {"id": place, "name": place, "region": place},
    "aws:index/getPartition:getPartition": lambda inputs, place: {
        "id": "aws",
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
    },
    "aws:index/getAvailabilityZones:getAvailabilityZones": lambda inputs, place: {
        "id": place,
        "names": [f"{place}{letter}" for letter in "abcd"],
        "zoneIds": [f"use1-az{number}" for number in range(1, 5)],
    },
    "aws:eks/getAddonVersion:getAddonVersion": lambda inputs, place: {
        **inputs,
        "id": inputs["addonName"],
        "version": f"v{inputs['kubernetesVersion']}.0-eksbuild.1",
    },
    "aws:route53/getZone:getZone": _zone,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": lambda inputs, place: {
        **inputs,
        "id": f"pl-{made_up(17, inputs['name'], place)}",
    },
}

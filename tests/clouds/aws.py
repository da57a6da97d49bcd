"""What the stand-in AWS knows: ids and ARNs in their real forms, endpoints, zones, certificates' records.

Forms are those of the AWS documentation's examples; the account is the one that it uses. Types that are not listed
have a name, which the provider makes where the program gives none, and an ARN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.clouds import eks
from tests.clouds.cloud import made_up
from tests.clouds.facts import Facts, Inputs

ACCOUNT = "123456789012"
# Of whose names are ids: `vpc-0123456789abcdef0`.
PREFIXES: Mapping[str, str] = {
    "ec2/vpc:Vpc": "vpc",
    "ec2/subnet:Subnet": "subnet",
    "ec2/internetGateway:InternetGateway": "igw",
    "ec2/natGateway:NatGateway": "nat",
    "ec2/eip:Eip": "eipalloc",
    "ec2/routeTable:RouteTable": "rtb",
    "ec2/route:Route": "r-rtb",
    "ec2/routeTableAssociation:RouteTableAssociation": "rtbassoc",
    "ec2/securityGroup:SecurityGroup": "sg",
    "ec2/defaultSecurityGroup:DefaultSecurityGroup": "sg",
    "ec2/vpcEndpoint:VpcEndpoint": "vpce",
    "ec2/flowLog:FlowLog": "fl",
    "ec2/launchTemplate:LaunchTemplate": "lt",
    "ec2/placementGroup:PlacementGroup": "pg",
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": "sgr",
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": "sgr",
    "eks/podIdentityAssociation:PodIdentityAssociation": "a",
    "route53/healthCheck:HealthCheck": "hc",
    "amp/workspace:Workspace": "ws",
    "amp/scraper:Scraper": "s",
}
RECORD = "route53/record:Record"
# Properties that hold the physical name, where it is not `name`; empty: there is none.
NAMES: Mapping[str, str] = {
    **dict.fromkeys(PREFIXES, ""),
    RECORD: "",
    "ec2/securityGroup:SecurityGroup": "name",
    "ec2/launchTemplate:LaunchTemplate": "name",
    "ec2/placementGroup:PlacementGroup": "name",
    "s3/bucket:Bucket": "bucket",
    "eks/nodeGroup:NodeGroup": "nodeGroupName",
    "elasticache/replicationGroup:ReplicationGroup": "replicationGroupId",
    "elasticache/serverlessCache:ServerlessCache": "name",
    "iam/rolePolicyAttachment:RolePolicyAttachment": "",
    "lb/listener:Listener": "",
    "lb/listenerRule:ListenerRule": "",
    "acm/certificate:Certificate": "",
    "acm/certificateValidation:CertificateValidation": "",
    "kms/key:Key": "",
    "autoscaling/tag:Tag": "",
    "eks/addon:Addon": "",
    "eks/accessEntry:AccessEntry": "",
    "eks/accessPolicyAssociation:AccessPolicyAssociation": "",
    "secretsmanager/secretVersion:SecretVersion": "",
    "secretsmanager/secretPolicy:SecretPolicy": "",
    "ecr/lifecyclePolicy:LifecyclePolicy": "",
    "wafv2/webAclAssociation:WebAclAssociation": "",
    "wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": "",
    "ec2/ebsEncryptionByDefault:EbsEncryptionByDefault": "",
    "sns/topicPolicy:TopicPolicy": "",
    "sns/topicSubscription:TopicSubscription": "",
    "iam/openIdConnectProvider:OpenIdConnectProvider": "",
    "codebuild/webhook:Webhook": "",
    "amp/alertManagerDefinition:AlertManagerDefinition": "",
}
# Parts of a bucket's settings are things of their own, called like their bucket.
OF_A_BUCKET = "s3/bucket"
LONGEST: Mapping[str, int] = {
    "aws:s3/bucket:Bucket": 63,
    "aws:lb/loadBalancer:LoadBalancer": 32,
    "aws:lb/targetGroup:TargetGroup": 32,
    "aws:iam/role:Role": 64,
    "aws:iam/policy:Policy": 128,
    "aws:iam/rolePolicy:RolePolicy": 128,
    "aws:eks/cluster:Cluster": 100,
    "aws:eks/nodeGroup:NodeGroup": 63,
    "aws:elasticache/replicationGroup:ReplicationGroup": 40,
    "aws:elasticache/serverlessCache:ServerlessCache": 40,
    "aws:wafv2/webAcl:WebAcl": 128,
}
# Whose id is the ARN.
BY_ARN = frozenset(
    {
        "lb/loadBalancer:LoadBalancer",
        "lb/targetGroup:TargetGroup",
        "lb/listener:Listener",
        "lb/listenerRule:ListenerRule",
        "acm/certificate:Certificate",
        "acm/certificateValidation:CertificateValidation",
        "iam/policy:Policy",
        "iam/openIdConnectProvider:OpenIdConnectProvider",
        "secretsmanager/secret:Secret",
        "sns/topic:Topic",
    }
)
SERVICES = {
    "lb": "elasticloadbalancing",
    "alb": "elasticloadbalancing",
    "vpc": "ec2",
    "cloudwatch": "logs",
    "amp": "aps",
}
GLOBAL = {"iam", "route53", "s3", "budgets", "shield"}
REPLACING: Mapping[str, frozenset[str]] = {
    "aws:ec2/vpc:Vpc": frozenset({"cidrBlock"}),
    "aws:ec2/subnet:Subnet": frozenset({"cidrBlock", "availabilityZone", "vpcId"}),
    "aws:ec2/securityGroup:SecurityGroup": frozenset({"name", "description", "vpcId"}),
    "aws:ec2/natGateway:NatGateway": frozenset({"subnetId", "allocationId"}),
    "aws:ec2/vpcEndpoint:VpcEndpoint": frozenset({"serviceName", "vpcId", "vpcEndpointType"}),
    "aws:s3/bucket:Bucket": frozenset({"bucket", "objectLockEnabled"}),
    "aws:eks/cluster:Cluster": frozenset({"name", "roleArn", "encryptionConfig"}),
    "aws:eks/nodeGroup:NodeGroup": frozenset({"amiType", "capacityType", "instanceTypes", "subnetIds", "clusterName"}),
    "aws:ec2/placementGroup:PlacementGroup": frozenset({"name", "strategy"}),
    "aws:autoscaling/tag:Tag": frozenset({"autoscalingGroupName"}),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": frozenset({"clusterName", "namespace", "serviceAccount"}),
    "aws:lb/loadBalancer:LoadBalancer": frozenset({"name", "internal", "loadBalancerType"}),
    "aws:lb/targetGroup:TargetGroup": frozenset({"name", "port", "protocol", "targetType", "vpcId"}),
    "aws:acm/certificate:Certificate": frozenset({"domainName", "subjectAlternativeNames", "keyAlgorithm"}),
    "aws:kms/key:Key": frozenset({"customerMasterKeySpec", "keyUsage"}),
    "aws:iam/role:Role": frozenset({"name", "path"}),
    "aws:iam/policy:Policy": frozenset({"name", "path"}),
    "aws:kms/alias:Alias": frozenset({"name"}),
    "aws:ecr/repository:Repository": frozenset({"name", "encryptionConfigurations"}),
    "aws:elasticache/replicationGroup:ReplicationGroup": frozenset(
        {"atRestEncryptionEnabled", "subnetGroupName", "replicationGroupId", "kmsKeyId"}
    ),
    "aws:route53/record:Record": frozenset({"name", "type", "zoneId"}),
}


def _kind(token: str) -> str:
    return token.removeprefix("aws:")


def name_of(token: str) -> str | None:
    kind = _kind(token)
    if kind.startswith(OF_A_BUCKET) and kind != "s3/bucket:Bucket":
        return None
    return NAMES.get(kind, "name") or None


def arn(token: str, given: str, region: str) -> str:
    service, _, rest = _kind(token).partition("/")
    service = SERVICES.get(service, service)
    sort = rest.partition(":")[0]
    if service == "s3":
        return f"arn:aws:s3:::{given}"
    where = "" if service in GLOBAL else region
    return f"arn:aws:{service}:{where}:{ACCOUNT}:{sort.lower()}/{given}"


def id_of(token: str, name: str, inputs: Inputs, region: str) -> str:
    kind, held = _kind(token), name_of(token)
    seed = made_up(17, token, name, region, json.dumps(inputs, sort_keys=True))
    if kind in PREFIXES:
        return f"{PREFIXES[kind]}-{seed}"
    if kind == "kms/key:Key":
        return "-".join((seed[:8], seed[8:12], seed[12:16], made_up(4, seed), made_up(12, seed, "key")))
    if kind.startswith(OF_A_BUCKET) and kind != "s3/bucket:Bucket":
        return str(inputs["bucket"])
    if kind == RECORD:
        return "_".join(str(inputs[part]) for part in ("zoneId", "name", "type", "setIdentifier") if part in inputs)
    called = str(inputs.get(held) or f"{inputs[f'{held}Prefix']}{seed}") if held else seed
    return arn(token, _below(inputs, called), region) if kind in BY_ARN else called


def _below(inputs: Inputs, given: str) -> str:
    """With the path that some things of IAM are under."""
    return f"{inputs['path'].strip('/')}/{given}" if "path" in inputs else given


def answers(token: str, name: str, given: str, inputs: Inputs, region: str) -> dict[str, Any]:
    kind = _kind(token)
    own = given if given.startswith("arn:") else arn(token, _below(inputs, given), region)
    found: dict[str, Any] = {"arn": own, "region": region}
    if held := name_of(token):
        found[held] = given.rpartition("/")[2] if kind in BY_ARN else given
    more = _MORE.get(kind)
    return found | more(given, inputs, region) if more else found


def _cluster(given: str, inputs: Inputs, region: str) -> dict[str, Any]:
    host = made_up(32, given, region).upper()
    reached = eks.answers(f"{host}.gr7.{region}.eks.amazonaws.com")
    return {
        "endpoint": reached["endpoint"],
        "certificateAuthority": {"data": reached["authority"]},
        "certificateAuthorities": [{"data": reached["authority"]}],
        "identities": [{"oidcs": [{"issuer": f"https://oidc.eks.{region}.amazonaws.com/id/{host}"}]}],
        "vpcConfig": {**inputs["vpcConfig"], "clusterSecurityGroupId": f"sg-{made_up(17, given, 'cluster')}"},
        "status": "ACTIVE",
        "platformVersion": "eks.7",
    }


def _certificate(given: str, inputs: Inputs, region: str) -> dict[str, Any]:
    del given, region
    names = [inputs["domainName"], *inputs.get("subjectAlternativeNames", [])]
    # A wildcard's record is that of what it stands for.
    records = {name.removeprefix("*."): name for name in reversed(names)}
    return {
        "status": "PENDING_VALIDATION",
        "domainValidationOptions": [
            {
                "domainName": name,
                "resourceRecordName": f"_{made_up(32, domain)}.{domain}.",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": f"_{made_up(32, domain, 'value')}.acm-validations.aws.",
            }
            for domain, name in sorted(records.items())
        ],
    }


def _load_balancer(given: str, inputs: Inputs, region: str) -> dict[str, Any]:
    name, number = given.rpartition("/")[2], made_up(10, given)
    return {
        "dnsName": f"{'internal-' if inputs.get('internal') else ''}{name}-{number}.{region}.elb.amazonaws.com",
        "zoneId": f"Z{made_up(13, region).upper()}",
        "arnSuffix": given.partition("loadbalancer/")[2],
    }


def _vpc(given: str, inputs: Inputs, region: str) -> dict[str, Any]:
    return {
        "defaultSecurityGroupId": f"sg-{made_up(17, given, 'default')}",
        "mainRouteTableId": f"rtb-{made_up(17, given, 'main')}",
        "defaultNetworkAclId": f"acl-{made_up(17, given, 'default')}",
        "ownerId": ACCOUNT,
    }


def _bucket(given: str, inputs: Inputs, region: str) -> dict[str, Any]:
    return {
        "bucketRegionalDomainName": f"{given}.s3.{region}.amazonaws.com",
        "bucketDomainName": f"{given}.s3.amazonaws.com",
    }


def _cache(given: str, inputs: Inputs, region: str) -> dict[str, Any]:
    host = f"master.{given}.{made_up(6, given)}.{region[:3]}1.cache.amazonaws.com"
    return {"primaryEndpointAddress": host, "configurationEndpointAddress": host, "port": 6379}


_MORE: Mapping[str, Any] = {
    "eks/cluster:Cluster": _cluster,
    "acm/certificate:Certificate": _certificate,
    "acm/certificateValidation:CertificateValidation": lambda given, inputs, region: {
        "certificateArn": inputs["certificateArn"]
    },
    "lb/loadBalancer:LoadBalancer": _load_balancer,
    "lb/targetGroup:TargetGroup": lambda given, inputs, region: {"arnSuffix": given.rpartition(":")[2]},
    "ec2/vpc:Vpc": _vpc,
    "ec2/eip:Eip": lambda given, inputs, region: {"allocationId": given, "publicIp": "203.0.113.7"},
    "ec2/vpcEndpoint:VpcEndpoint": lambda given, inputs, region: {"networkInterfaceIds": [f"eni-{made_up(17, given)}"]},
    "ec2/launchTemplate:LaunchTemplate": lambda given, inputs, region: {"latestVersion": 1, "defaultVersion": 1},
    "eks/nodeGroup:NodeGroup": lambda given, inputs, region: {
        "resources": [{"autoscalingGroups": [{"name": f"eks-{given}-{made_up(8, given)}"}]}]
    },
    "s3/bucket:Bucket": _bucket,
    "kms/key:Key": lambda given, inputs, region: {"keyId": given},
    "ecr/repository:Repository": lambda given, inputs, region: {
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{given}",
        "registryId": ACCOUNT,
    },
    "iam/role:Role": lambda given, inputs, region: {"uniqueId": f"AROA{made_up(17, given).upper()}"},
    "elasticache/replicationGroup:ReplicationGroup": _cache,
    RECORD: lambda given, inputs, region: {"fqdn": inputs["name"]},
    "secretsmanager/secretVersion:SecretVersion": lambda given, inputs, region: {"versionId": made_up(32, given)},
}
_COMPUTED_BY = {
    "eks/cluster:Cluster": {
        "endpoint",
        "certificateAuthority",
        "certificateAuthorities",
        "identities",
        "vpcConfig.clusterSecurityGroupId",
        "status",
        "platformVersion",
    },
    "acm/certificate:Certificate": {"domainValidationOptions", "status"},
    "acm/certificateValidation:CertificateValidation": set[str](),
    "lb/loadBalancer:LoadBalancer": {"dnsName", "zoneId", "arnSuffix"},
    "lb/targetGroup:TargetGroup": {"arnSuffix"},
    "ec2/vpc:Vpc": {"defaultSecurityGroupId", "mainRouteTableId", "defaultNetworkAclId", "ownerId"},
    "ec2/eip:Eip": {"allocationId", "publicIp"},
    "ec2/launchTemplate:LaunchTemplate": {"latestVersion", "defaultVersion"},
    "eks/nodeGroup:NodeGroup": {"resources"},
    "s3/bucket:Bucket": {"bucketRegionalDomainName", "bucketDomainName"},
    "kms/key:Key": {"keyId"},
    "ecr/repository:Repository": {"repositoryUrl", "registryId"},
    "elasticache/replicationGroup:ReplicationGroup": {"primaryEndpointAddress", "configurationEndpointAddress"},
    "secretsmanager/secretVersion:SecretVersion": {"versionId"},
    RECORD: {"fqdn"},
}


def computed(token: str) -> frozenset[str]:
    """What is known only when it is there. `a.b`: a part of what is given."""
    held = name_of(token)
    return frozenset({"arn", *((held,) if held else ()), *_COMPUTED_BY.get(_kind(token), ())})


ASKED = {
    "aws:index/getCallerIdentity:getCallerIdentity": lambda inputs, region: {
        "accountId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/tests",
        "userId": "AIDATESTS",
        "id": ACCOUNT,
    },
    "aws:index/getRegion:getRegion": lambda inputs, region: {"id": region, "name": region, "region": region},
    "aws:index/getPartition:getPartition": lambda inputs, region: {
        "id": "aws",
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
    },
    "aws:index/getAvailabilityZones:getAvailabilityZones": lambda inputs, region: {
        "id": region,
        "names": [f"{region}{letter}" for letter in "abcd"],
        "zoneIds": [f"use1-az{number}" for number in range(1, 5)],
    },
    "aws:route53/getZone:getZone": lambda inputs, region: {
        "id": f"Z{made_up(13, inputs['name']).upper()}",
        "zoneId": f"Z{made_up(13, inputs['name']).upper()}",
        "name": inputs["name"],
    },
}

FACTS = Facts(
    place="region",
    name_of=name_of,
    longest=LONGEST,
    id_of=id_of,
    answers=answers,
    computed=computed,
    replacing=REPLACING,
    asked=ASKED,
    holds=frozenset(
        f"aws:{kind}"
        for kind in (
            "ec2/vpc:Vpc",
            "ec2/subnet:Subnet",
            "ec2/securityGroup:SecurityGroup",
            "ec2/eip:Eip",
            "eks/cluster:Cluster",
            "lb/targetGroup:TargetGroup",
            "lb/loadBalancer:LoadBalancer",
            "acm/certificate:Certificate",
            "s3/bucket:Bucket",
        )
    ),
)

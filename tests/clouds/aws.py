"""What the stand-in AWS knows: ids in their real forms, which properties are names, and what replaces.

Types that are not listed have a name, which the provider makes where the program gives none, and an ARN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from infra.render import aws_answers
from infra.render.made import Answers, Inputs, Made, made_up
from tests.clouds import aws_names, managed_cluster
from tests.clouds.facts import Facts

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
    "ec2/vpnGateway:VpnGateway": "vgw",
    "ec2/customerGateway:CustomerGateway": "cgw",
    "ec2/vpnConnection:VpnConnection": "vpn",
    "ec2/vpcPeeringConnection:VpcPeeringConnection": "pcx",
    "ec2/launchTemplate:LaunchTemplate": "lt",
    "ec2/placementGroup:PlacementGroup": "pg",
    "vpc/securityGroupIngressRule:SecurityGroupIngressRule": "sgr",
    "vpc/securityGroupEgressRule:SecurityGroupEgressRule": "sgr",
    "eks/podIdentityAssociation:PodIdentityAssociation": "a",
    "route53/healthCheck:HealthCheck": "hc",
    "amp/workspace:Workspace": "ws",
    "amp/scraper:Scraper": "s",
    "grafana/workspace:Workspace": "g",
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
    "lb/trustStoreRevocation:TrustStoreRevocation": "",
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
    "grafana/roleAssociation:RoleAssociation": "",
}
# Parts of a bucket's settings are things of their own, called like their bucket.
OF_A_BUCKET = "s3/bucket"
# Whose id is the ARN.
BY_ARN = frozenset(
    {
        "lb/loadBalancer:LoadBalancer",
        "lb/targetGroup:TargetGroup",
        "lb/listener:Listener",
        "lb/listenerRule:ListenerRule",
        "lb/trustStore:TrustStore",
        "acm/certificate:Certificate",
        "acm/certificateValidation:CertificateValidation",
        "iam/policy:Policy",
        "iam/openIdConnectProvider:OpenIdConnectProvider",
        "secretsmanager/secret:Secret",
        "sns/topic:Topic",
    }
)
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


def id_of(token: str, name: str, inputs: Inputs, place: str) -> str:
    kind, held = _kind(token), name_of(token)
    seed = made_up(26, token, name, place, json.dumps(inputs, sort_keys=True))
    if kind in PREFIXES:
        return f"{PREFIXES[kind]}-{seed[:17]}"
    if kind == "kms/key:Key":
        return "-".join((seed[:8], seed[8:12], seed[12:16], made_up(4, seed), made_up(12, seed, "key")))
    if kind.startswith(OF_A_BUCKET) and kind != "s3/bucket:Bucket":
        return str(inputs["bucket"])
    if kind == RECORD:
        return "_".join(str(inputs[part]) for part in ("zoneId", "name", "type", "setIdentifier") if part in inputs)
    named = FACTS.name(token, inputs, seed) if held else seed
    if kind not in BY_ARN:
        return named
    return aws_answers.arn(Made(token=token, id=named, called=named, inputs=inputs, place=place))


def called(token: str, given: str) -> str:
    """An ARN has it in its form, or at its end."""
    if not given.startswith("arn:"):
        return given
    end = given.split(":", 5)[5]
    before, _, behind = aws_answers.FORMS.get(token, "").partition("{}")
    if not before + behind:
        return end.rpartition("/")[2]
    drawn = len(behind.removesuffix("…")) + aws_answers.DIGITS.get(token, 16) if behind else 0
    return end.removeprefix(before)[: len(end) - len(before) - drawn]


def computed(token: str) -> Answers:
    """Its control plane is somewhere: an API server of the tests."""
    found = aws_answers.computed(token)
    if token != managed_cluster.EKS.token:
        return found
    return found | {
        "endpoint": lambda made: managed_cluster.server() or found["endpoint"](made),
        "certificateAuthority": lambda made: {"data": managed_cluster.authority() or aws_answers.AUTHORITY},
    }


FACTS = Facts(
    place="region",
    name_of=name_of,
    names=aws_names.NAMES,
    any_name=aws_names.ANY,
    id_of=id_of,
    called=called,
    computed=computed,
    asked=aws_answers.ANSWERS,
    replacing=REPLACING,
    guarded={
        "aws:eks/cluster:Cluster": ("deletionProtection", False),
        "aws:lb/loadBalancer:LoadBalancer": ("enableDeletionProtection", False),
    },
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

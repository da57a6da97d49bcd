"""What AWS takes as names (its API references, and what the provider checks of them, read 2026-11)."""

from __future__ import annotations

from collections.abc import Mapping

from tests.clouds.names import NameRule

ANY = NameRule(letters=r".+", longest=255)
_IAM = r"[\w+=,.@-]+"
_BALANCING = NameRule(letters=r"(?!internal-)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", longest=32)
_CACHE = NameRule(letters=r"[a-z](-?[a-z0-9])*", longest=40, lowered=True)
NAMES: Mapping[str, NameRule] = {
    "aws:s3/bucket:Bucket": NameRule(letters=r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", shortest=3, longest=63, lowered=True),
    "aws:lb/loadBalancer:LoadBalancer": _BALANCING,
    "aws:lb/targetGroup:TargetGroup": _BALANCING,
    "aws:lb/trustStore:TrustStore": NameRule(letters=r"([A-Za-z0-9]+-)*[A-Za-z0-9]+", longest=32),
    "aws:iam/role:Role": NameRule(letters=_IAM, longest=64),
    "aws:iam/policy:Policy": NameRule(letters=_IAM, longest=128),
    "aws:iam/rolePolicy:RolePolicy": NameRule(letters=_IAM, longest=128),
    "aws:iam/instanceProfile:InstanceProfile": NameRule(letters=_IAM, longest=128),
    "aws:eks/cluster:Cluster": NameRule(letters=r"[0-9A-Za-z][0-9A-Za-z_-]*", longest=100),
    "aws:eks/nodeGroup:NodeGroup": NameRule(letters=r"[0-9A-Za-z][0-9A-Za-z_-]*", longest=63),
    "aws:elasticache/replicationGroup:ReplicationGroup": _CACHE,
    "aws:elasticache/serverlessCache:ServerlessCache": _CACHE,
    "aws:elasticache/subnetGroup:SubnetGroup": NameRule(letters=r"[0-9A-Za-z-]+", longest=255),
    "aws:elasticache/parameterGroup:ParameterGroup": NameRule(letters=r"[A-Za-z](-?[A-Za-z0-9])*", longest=255),
    "aws:wafv2/webAcl:WebAcl": NameRule(letters=r"[0-9A-Za-z_-]+", longest=128),
    "aws:ecr/repository:Repository": NameRule(
        letters=r"[a-z0-9]+([._-][a-z0-9]+|__[a-z0-9]+|/[a-z0-9]+)*", shortest=2, longest=256
    ),
    "aws:kms/alias:Alias": NameRule(letters=r"alias/(?!aws/)[0-9A-Za-z/_-]+", longest=256),
    "aws:secretsmanager/secret:Secret": NameRule(letters=r"[0-9A-Za-z/_+=.@-]+", longest=512),
    "aws:cloudwatch/logGroup:LogGroup": NameRule(letters=r"[0-9A-Za-z._/#-]+", longest=512),
    "aws:ec2/securityGroup:SecurityGroup": NameRule(letters=r"(?!sg-).+", longest=255),
    "aws:ec2/launchTemplate:LaunchTemplate": NameRule(letters=r"[0-9A-Za-z().\-/_]+", shortest=3, longest=128),
    "aws:sns/topic:Topic": NameRule(letters=r"[0-9A-Za-z_-]+(\.fifo)?", longest=256),
    "aws:codebuild/project:Project": NameRule(letters=r"[0-9A-Za-z][0-9A-Za-z_-]*", shortest=2, longest=150),
    "aws:budgets/budget:Budget": NameRule(letters=r"[^:\\]+", longest=100),
}

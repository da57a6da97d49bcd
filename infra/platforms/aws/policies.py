"""Policies of a site on AWS as documents: who may do what with exactly which thing. Pure, from names to JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.platforms.aws.identity_plan import WorkloadRole

ACCOUNT_ROLES = "arn:aws:iam::aws:policy"
CLUSTER_ACCESS = "arn:aws:eks::aws:cluster-access-policy"
BALANCER_LOGS = "load-balancer"
# Where AWS itself leaves no choice but `*`, and why; a test knows that there is no other one.
FORCED_WILDCARDS: Mapping[str, str] = {
    "kms:*": "a key's policy must leave its account the key, or nobody can ever change it (KMS developer guide)",
    "Resource *": "in a key's own policy, `*` is that key",
    "s3:*": "a denial of everything that does not come over TLS",
    "Describe": "Auto Scaling, EC2 and Elastic Load Balancing list on `*` only (service authorization reference)",
    "autoScalingGroup:*": "an id that Auto Scaling makes is in its groups' ARNs, before the name that EKS gives them",
}
# What a service needs to write with a key and read again.
USE_KEY = (
    *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"),
    *("kms:ReEncryptFrom", "kms:ReEncryptTo"),
)
# Policies of AWS for the roles that EKS takes: what these name, AWS changes with EKS.
CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
AUTO_MODE_POLICIES = (
    *("AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy"),
    *("AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingPolicy"),
)
AUTO_MODE_NODE_POLICIES = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
MANAGED_NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
SEES_GROUPS = (
    *("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances"),
    *("autoscaling:DescribeLaunchConfigurations", "autoscaling:DescribeScalingActivities"),
    "autoscaling:DescribeTags",
)
SCALES_GROUPS = ("autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup")

SECRET_READS = ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret")

Statement = dict[str, Any]


def document(*statements: Statement) -> str:
    """A policy as AWS takes it."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, Any] | None = None
) -> Statement:
    """What whoever has this policy may do."""
    found: Statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**found, "Condition": dict(conditions)} if conditions else found


def trust(service: str, actions: Sequence[str] = ("sts:AssumeRole",), **conditions: Mapping[str, Any]) -> str:
    """Which service of AWS may take a role."""
    found: Statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
    return document({**found, "Condition": conditions} if conditions else found)


def pod_identity_trust(cluster_arn: str, namespace: str, service_account: str) -> str:
    """A role for one account of one namespace of one cluster."""
    return trust(
        "pods.eks.amazonaws.com",
        ("sts:AssumeRole", "sts:TagSession"),
        StringEquals={
            "aws:RequestTag/eks-cluster-arn": cluster_arn,
            "aws:RequestTag/kubernetes-namespace": namespace,
            "aws:RequestTag/kubernetes-service-account": service_account,
        },
    )


def key_policy(account: str, *uses: Statement) -> str:
    """A key that its account administers, and those services use that are named."""
    owner: Statement = {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["kms:*"],
        "Resource": ["*"],
    }
    return document(owner, *uses)


def service_uses_key(sid: str, service: str, conditions: Mapping[str, Any]) -> Statement:
    """What a service of AWS may do with the key whose policy this is in."""
    return {
        **allow(sid, [*USE_KEY, "kms:CreateGrant"], ["*"], conditions),
        "Principal": {"Service": service},
    }


def logs_use_key(region: str, account: str) -> Statement:
    """CloudWatch Logs, for log groups of this account alone."""
    groups = f"arn:aws:logs:{region}:{account}:log-group:*"
    condition = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}}
    return service_uses_key("Logs", f"logs.{region}.amazonaws.com", condition)


def groups_use_key(account: str) -> Statement:
    """The role that Auto Scaling starts machines with, for their disks' key; for `key_policy`. It is no principal: in
    an account that has never had a group it is not there yet, and the policy would be refused."""
    role = f"arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    allowed = allow(
        "Machines",
        [*USE_KEY, "kms:CreateGrant"],
        ["*"],
        {"StringEquals": {"aws:PrincipalArn": role, "kms:CallerAccount": account}},
    )
    return {**allowed, "Principal": {"AWS": "*"}}


def binds_targets(target_group_arn: str) -> str:
    """The load balancer's controller, where it only puts pods into a group (its installation guide, the subset for
    TargetGroupBinding, read 2026-11)."""
    return document(
        allow(
            "Look",
            [
                *("ec2:DescribeInstances", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs"),
                *("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"),
            ],
            ["*"],
        ),
        allow(
            "Bind",
            ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"],
            [target_group_arn],
        ),
    )


def scales_groups(cluster: str, region: str, account: str) -> str:
    """The autoscaler, for node groups of one cluster: EKS tags their groups so (its documentation for AWS, read
    2026-11)."""
    owned = {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}}
    return document(
        allow(
            "Look",
            [
                *SEES_GROUPS,
                *("ec2:DescribeImages", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions"),
                "ec2:GetInstanceTypesFromInstanceRequirements",
            ],
            ["*"],
        ),
        allow("Groups", ["eks:DescribeNodegroup"], [f"arn:aws:eks:{region}:{account}:nodegroup/{cluster}/*"]),
        allow(
            "Scale",
            SCALES_GROUPS,
            [f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/eks-*"],
            owned,
        ),
    )


def machines_use_key(key_arn: str) -> str:
    """The role that EKS starts machines with, for their disks' key."""
    return document(
        allow("Disks", USE_KEY, [key_arn]),
        allow("Grants", ["kms:CreateGrant"], [key_arn], {"Bool": {"kms:GrantIsForAWSResource": "true"}}),
    )


def writes_logs(group_arn: str) -> str:
    """A role that writes to one log group. Streams have no other name than the group's with `:*`."""
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    return document(allow("Write", actions, [group_arn, f"{group_arn}:*"]))


def over_tls_only(bucket_arn: str, *others: Statement) -> str:
    """A bucket that nobody reaches without TLS 1.2 or newer. `others` name what they allow from its own name on."""
    both = [bucket_arn, f"{bucket_arn}/*"]
    denied: Statement = {"Effect": "Deny", "Principal": "*", "Action": ["s3:*"], "Resource": both}
    return document(
        {**denied, "Sid": "OverTlsOnly", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {**denied, "Sid": "NewTlsOnly", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
        *({**other, "Resource": [f"{bucket_arn}/{path}" for path in other["Resource"]]} for other in others),
    )


def balancer_logs(region: str, account: str) -> Statement:
    """Load balancers of this account write their logs; for `over_tls_only`."""
    balancers = f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/*"
    allowed = allow(
        "LoadBalancers",
        ["s3:PutObject"],
        [f"{BALANCER_LOGS}/AWSLogs/{account}/*"],
        {"ArnLike": {"aws:SourceArn": balancers}},
    )
    return {**allowed, "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}}


def bucket_logs(account: str) -> Statement:
    """Buckets of this account write who asked them for what; for `over_tls_only`."""
    allowed = allow("Buckets", ["s3:PutObject"], ["buckets/*"], {"StringEquals": {"aws:SourceAccount": account}})
    return {**allowed, "Principal": {"Service": "logging.s3.amazonaws.com"}}


def workload_rights(role: WorkloadRole, models_arn: str, audit_arn: str | None, key_arn: str) -> str:
    """All that a workload does: weights that it reads or brings, an audit that it cannot read again, and secrets.
    Whoever fetches weights knows their names: only who streams them lists them. A key of a secret's own must let it
    decrypt."""
    below = [f"{models_arn}/{prefix}/*" for prefix in role.reads]
    filled = [f"{models_arn}/{prefix}/*" for prefix in role.fills]
    audit = [f"{audit_arn}/{prefix}/*" for prefix in role.puts]
    keys = ["kms:Decrypt"] if below or filled else []
    keys += ["kms:GenerateDataKey"] if filled or audit else []
    return document(
        *([allow("Read", ["s3:GetObject"], below)] if below else []),
        *([allow("Fill", ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], filled)] if filled else []),
        *([allow("Put", ["s3:PutObject"], audit)] if audit else []),
        *([allow("Key", keys, [key_arn])] if keys else []),
        *_listed(role, models_arn),
        *([allow("ReadElsewhere", ["s3:GetObject"], role.objects)] if role.objects else []),
        *([allow("DecryptElsewhere", ["kms:Decrypt"], role.keys)] if role.keys else []),
        *([allow("Secrets", SECRET_READS, role.secrets)] if role.secrets else []),
    )


def _listed(role: WorkloadRole, models_arn: str) -> Iterator[Statement]:
    """Names of objects, below the same prefixes and no others."""
    if not role.lists:
        return
    below = {models_arn: [f"{prefix}/*" for prefix in role.reads]}
    for arn in role.objects:
        bucket, _, prefix = arn.partition("/")
        below.setdefault(bucket, []).append(prefix)
    for place, (bucket, prefixes) in enumerate(each for each in below.items() if each[1]):
        yield allow(f"List{place or ''}", ["s3:ListBucket"], [bucket], {"StringLike": {"s3:prefix": prefixes}})

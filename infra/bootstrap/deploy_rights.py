"""What the roles of a stack may do: deploy it, look at it, keep its state; and the most that any role of it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra.bootstrap.config import DeployedStack
from infra.bootstrap.rights import STACK_TAG, Right, Rights, statements
from infra.bootstrap.rights_cluster import CLUSTER_RIGHTS, WITH_OWN_ROLE
from infra.bootstrap.rights_data import DATA_RIGHTS, EMPTYING
from infra.bootstrap.rights_doctor import DOCTOR_RIGHTS
from infra.bootstrap.rights_front_door import FRONT_DOOR_RIGHTS
from infra.bootstrap.rights_links import LINK_RIGHTS
from infra.bootstrap.rights_network import NETWORK_RIGHTS
from infra.bootstrap.rights_nodes import NODE_RIGHTS
from infra.bootstrap.rights_store import STORE_RIGHTS
from infra.bootstrap.rights_watch import GRAFANA_RIGHTS, WATCH_RIGHTS
from infra.bootstrap.stack_names import StackName
from infra.naming import PROJECT
from infra.platforms.aws.grafana_plan import READS
from infra.platforms.aws.policies import SCALES_GROUPS, SECRET_READS, SEES_GROUPS, Statement, allow, document

# By type: every one that a stack of the project registers on AWS.
RIGHTS: Mapping[str, Rights] = {
    **CLUSTER_RIGHTS,
    **DATA_RIGHTS,
    **STORE_RIGHTS,
    **NETWORK_RIGHTS,
    **NODE_RIGHTS,
    **FRONT_DOOR_RIGHTS,
    **WATCH_RIGHTS,
    **GRAFANA_RIGHTS,
    **LINK_RIGHTS,
}
# Actions that AWS knows on `*` alone, by how they begin, or where nothing narrower is known before a thing is there;
# each with its reason. A test knows that there is no other one.
ANY_RESOURCE: Mapping[str, str] = {
    action: one.why
    for rights in (*RIGHTS.values(), *DOCTOR_RIGHTS.values())
    for one in (*rights.reads, *rights.writes)
    if "*" in one.on
    for action in one.actions
}
# What pods, machines and the control plane do on AWS at most. AWS writes their policies, and writes them anew with
# EKS, so that only services can be named here; a boundary gives nothing.
BOUNDARY_SERVICES = ("ec2:*", "elasticloadbalancing:*")
IMAGE_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def deploying(name: StackName, settings: DeployedStack, account: str, boundary: str) -> list[Statement]:
    """To make, change and remove a site."""
    rights = [one for each in _of(settings) for one in (*each.reads, *each.writes)] + _examining()
    rights += () if settings.protected else EMPTYING
    return statements(rights, name, account, settings.hosted_zone_id, boundary)


def looking(name: StackName, settings: DeployedStack, account: str) -> list[Statement]:
    """To see whether a site is as it was deployed."""
    rights: list[Right] = [one for each in _of(settings) for one in each.reads] + _examining()
    return statements(rights, name, account, settings.hosted_zone_id, "")


def _of(settings: DeployedStack) -> list[Rights]:
    """Whoever makes no Grafana needs no rights on IAM Identity Center."""
    return [each for kind, each in RIGHTS.items() if settings.grafana or kind not in GRAFANA_RIGHTS]


def _examining() -> list[Right]:
    """To see whether an account has what a site needs; the last, so that nothing that is there moves."""
    return [one for each in DOCTOR_RIGHTS.values() for one in each.reads]


def keeps_state(stack: str, bucket_arn: str, key_arns: Sequence[str], *, writes: bool) -> str:
    """The state of one stack, in the bucket of all of them, and the keys of bucket and secrets."""
    own = [f".pulumi/{part}/{PROJECT}/{stack}" for part in ("stacks", "history", "backups", "locks/organization")]
    objects = [f"{bucket_arn}/{path}{end}" for path in own for end in (".*", "/*")]
    found = [
        allow("List", ["s3:ListBucket"], [bucket_arn]),
        allow("Read", ["s3:GetObject"], [f"{bucket_arn}/.pulumi/meta.yaml", *objects]),
        allow("Decrypt", ["kms:Decrypt", "kms:DescribeKey"], key_arns),
    ]
    if writes:
        found += [
            allow("Write", ["s3:PutObject", "s3:DeleteObject"], objects),
            allow("Encrypt", ["kms:Encrypt", "kms:GenerateDataKey"], key_arns),
        ]
    return document(*found)


def boundary(stack: str, names: Sequence[StackName], account: str, settings: DeployedStack) -> str:
    """The most that a role of a stack may do, whatever it is given: on things of this stack, in its regions, and no
    role but its own is handed on."""
    regions = sorted({name.region for name in names})
    here = {"StringEquals": {"aws:RequestedRegion": regions}}
    own_key = {"StringEquals": {f"aws:ResourceTag/{STACK_TAG}": stack}}
    roles = [f"arn:aws:iam::{account}:role/{name.prefix}*" for name in names]
    buckets = [f"arn:aws:s3:::{name.prefix}*" for name in names]
    in_regions = [f"{region}:{account}" for region in regions]
    profiles = (
        *("iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:DeleteInstanceProfile"),
        *("iam:GetInstanceProfile", "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile"),
    )
    return document(
        allow("Machines", BOUNDARY_SERVICES, ["*"], here),
        {
            "Sid": "NotOfOthers",
            "Effect": "Deny",
            "Action": [*BOUNDARY_SERVICES],
            "Resource": ["*"],
            "Condition": {
                "StringNotEquals": {f"aws:ResourceTag/{STACK_TAG}": stack},
                "Null": {f"aws:ResourceTag/{STACK_TAG}": "false"},
            },
        },
        # What a group starts is its template's, which no role of a stack changes.
        allow("Groups", SEES_GROUPS, ["*"], here),
        allow("Scale", SCALES_GROUPS, [f"arn:aws:autoscaling:{where}:autoScalingGroup:*" for where in in_regions]),
        allow("Profiles", profiles, [f"arn:aws:iam::{account}:instance-profile/eks*"]),
        allow("Own", ["iam:GetRole", "iam:PassRole"], roles),
        allow(
            "OwnRoles",
            ["iam:CreateServiceLinkedRole"],
            [f"arn:aws:iam::{account}:role/aws-service-role/*"],
            {"StringEquals": {"iam:AWSServiceName": list(WITH_OWN_ROLE)}},
        ),
        allow(
            "Cluster",
            ["eks:DescribeCluster", "eks:DescribeNodegroup"],
            [f"arn:aws:eks:{n.region}:{account}:{kind}/{n.full}{rest}" for n in names for kind, rest in SEEN_KINDS],
        ),
        # The agent of Pod Identity, for a machine's own cluster.
        allow(
            "Pods",
            ["eks-auth:AssumeRoleForPodIdentity"],
            [f"arn:aws:eks:{n.region}:{account}:cluster/{n.full}" for n in names],
        ),
        allow("PullLogin", ["ecr:GetAuthorizationToken"], ["*"]),
        allow("Pull", IMAGE_PULL, [f"arn:aws:ecr:{where}:repository/*" for where in in_regions]),
        allow(
            "Files",
            [
                *("elasticfilesystem:ClientMount", "elasticfilesystem:ClientRootAccess"),
                *("elasticfilesystem:ClientWrite", "elasticfilesystem:CreateAccessPoint"),
                *("elasticfilesystem:DeleteAccessPoint", "elasticfilesystem:DescribeAccessPoints"),
                *("elasticfilesystem:DescribeFileSystems", "elasticfilesystem:DescribeMountTargets"),
                "elasticfilesystem:TagResource",
            ],
            [f"arn:aws:elasticfilesystem:{where}:{kind}/*" for where in in_regions for kind in FILE_KINDS],
        ),
        allow("Models", ["s3:ListBucket"], buckets),
        allow("Weights", ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], [f"{b}/*" for b in buckets]),
        allow("Keys", KEY_USES, [f"arn:aws:kms:{where}:key/*" for where in in_regions], own_key),
        allow("Metrics", READS, [f"arn:aws:aps:{where}:workspace/*" for where in in_regions]),
        allow("Logs", LOG_WRITES, [f"arn:aws:logs:{where}:log-group:*" for where in in_regions]),
        *_weights_elsewhere(settings),
        *([allow("Secrets", SECRET_READS, settings.secrets)] if settings.secrets else []),
    )


def _weights_elsewhere(settings: DeployedStack) -> list[Statement]:
    """In buckets that are not the stack's, for reading only."""
    objects = [f"arn:aws:s3:::{bucket}/*" for bucket in settings.weights_buckets]
    return [
        *([allow("WeightsElsewhere", ["s3:GetObject"], objects)] if objects else []),
        # Whoever streams them.
        *([allow("ListElsewhere", ["s3:ListBucket"], [arn.removesuffix("/*") for arn in objects])] if objects else []),
        *([allow("KeysElsewhere", ["kms:Decrypt"], settings.weights_keys)] if settings.weights_keys else []),
    ]


SEEN_KINDS = (("cluster", ""), ("nodegroup", "/*"))
FILE_KINDS = ("file-system", "access-point")
KEY_USES = (
    *("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
    *("kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
)
LOG_WRITES = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")

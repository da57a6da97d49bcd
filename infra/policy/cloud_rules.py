"""Rules of what a cloud keeps: encrypted, private, tagged, protected, and no `*` in what somebody may do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from infra.policy.rule import Broken, Resource, Rule, StackRule

EVERYBODY = ("0.0.0.0/0", "::/0")
# What must be said of each type, and what is allowed; None: anything, so long as it is said.
ENCRYPTED: Mapping[str, Mapping[str, Any]] = {
    "aws:cloudwatch/logGroup:LogGroup": {"kmsKeyId": None},
    "aws:ebs/volume:Volume": {"encrypted": True},
    "aws:ecr/repository:Repository": {"encryptionConfigurations": None},
    "aws:efs/fileSystem:FileSystem": {"encrypted": True, "kmsKeyId": None},
    "aws:eks/cluster:Cluster": {"encryptionConfig": None},
    "aws:elasticache/replicationGroup:ReplicationGroup": {
        "atRestEncryptionEnabled": True,
        "transitEncryptionEnabled": True,
    },
    "aws:kms/key:Key": {"enableKeyRotation": True},
    "aws:secretsmanager/secret:Secret": {"kmsKeyId": None},
    "aws:sns/topic:Topic": {"kmsMasterKeyId": None},
}
BUCKET = "aws:s3/bucket:Bucket"
BUCKET_NEEDS = {
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "encryption",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "a block of public access",
    "aws:s3/bucketVersioning:BucketVersioning": "versions",
}
STATEFUL = (
    BUCKET,
    "aws:efs/fileSystem:FileSystem",
    "aws:eks/cluster:Cluster",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:kms/key:Key",
    "gcp:artifactregistry/repository:Repository",
    "gcp:container/cluster:Cluster",
    "gcp:kms/cryptoKey:CryptoKey",
    "gcp:memorystore/instance:Instance",
    "gcp:storage/bucket:Bucket",
)
# What makes one of these private or brings it back: without it, what is kept is worth little.
GUARDS = (
    *BUCKET_NEEDS,
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:kms/alias:Alias",
)
IMAGE = "docker-build:index:Image"
PROVIDERS: Mapping[str, tuple[str, str]] = {
    "pulumi:providers:aws": ("defaultTags", "tags"),
    "pulumi:providers:gcp": ("defaultLabels", ""),
}
# By this one a budget counts what a stack costs.
BUDGET_TAGS = ("slipway:stack", "slipway-stack")
KEY_POLICY = "aws:kms/key:Key"
# Where AWS itself knows no narrower resource (service authorization reference, 2026-11).
ANY_RESOURCE = (
    *("ecr:GetAuthorizationToken", "cloudwatch:PutMetricData", "xray:Put"),
    # Lists alone, which AWS gives on everything or not at all.
    *("autoscaling:Describe", "ec2:Describe", "ec2:GetInstanceTypesFromInstanceRequirements"),
    "elasticloadbalancing:Describe",
)


def is_protected(resources: Sequence[Resource]) -> bool:
    """A stack is protected where anything in it refuses to be deleted."""
    refuses = ("deletionProtection", "enableDeletionProtection")
    return any(one.protect or any(one.props.get(name) is True for name in refuses) for one in resources)


def _encrypted(one: Resource) -> Broken:
    for name, allowed in ENCRYPTED.get(one.type, {}).items():
        found = one.props.get(name)
        if not found or (allowed is not None and found is not allowed):
            yield f"`{name}` is `{found}`"


def _buckets(resources: Sequence[Resource]) -> Broken:
    for bucket in (one for one in resources if one.type == BUCKET):
        for kind, what in BUCKET_NEEDS.items():
            if not any(one.type == kind and bucket.urn in one.uses for one in resources):
                yield f"the bucket {bucket.name} has no {what}"


def _private(one: Resource) -> Broken:
    if one.type == "aws:eks/cluster:Cluster":
        network = one.props.get("vpcConfig", {})
        if network.get("endpointPublicAccess", True) and {*network.get("publicAccessCidrs", EVERYBODY)} & {*EVERYBODY}:
            yield "everybody reaches its API"
    if one.type == "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":
        every = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        yield from (f"`{name}` is not true" for name in every if one.props.get(name) is not True)
    if one.props.get("mapPublicIpOnLaunch"):
        yield "machines get public addresses by themselves"
    if one.type == "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":
        wide = {one.props.get("cidrIpv4"), one.props.get("cidrIpv6")} & {*EVERYBODY}
        if wide and (one.props.get("fromPort"), one.props.get("toPort")) not in ((443, 443), (80, 80)):
            yield "everybody reaches more than the ports of HTTP"


def _tagged(one: Resource) -> Broken:
    if one.type in PROVIDERS:
        outer, inner = PROVIDERS[one.type]
        tags = _decoded(one.props.get(outer)) or {}
        tags = _decoded(tags.get(inner)) or {} if inner else tags
        if not any(tags.get(name) for name in BUDGET_TAGS):
            yield f"gives what it makes no tag `{BUDGET_TAGS[0]}`, so that no budget counts it"


def _protected(resources: Sequence[Resource]) -> Broken:
    if is_protected(resources):
        for one in resources:
            if one.type in (*STATEFUL, *GUARDS) and not one.protect:
                yield f"{one.type} {one.name} is not protected, in a stack that is"


def _bases(resources: Sequence[Resource]) -> Broken:
    if is_protected(resources):
        for image in (one for one in resources if one.type == IMAGE):
            for name, value in image.props.get("buildArgs", {}).items():
                if "BASE" in name.upper() and "@sha256:" not in str(value):
                    yield f"the image {image.name} is built from `{value}`, which can change"


def _no_wildcard(one: Resource) -> Broken:
    for name in ("policy", "assumeRolePolicy"):
        document = _decoded(one.props.get(name))
        for statement in _listed((document or {}).get("Statement", ())):
            if statement.get("Effect") == "Allow":
                yield from _too_wide(one, statement)


def _too_wide(one: Resource, statement: Mapping[str, Any]) -> Broken:
    actions = _listed(statement.get("Action", ()))
    own_key = one.type == KEY_POLICY
    for action in actions:
        if action == "*" or (action.endswith(":*") and not own_key):
            yield f"allows `{action}`"
    forced = own_key or all(action.startswith(ANY_RESOURCE) for action in actions)
    if "*" in _listed(statement.get("Resource", ())) and not forced:
        yield f"allows {', '.join(actions)} on `*`"
    principal = statement.get("Principal")
    named = _listed(principal.get("AWS", ())) if isinstance(principal, dict) else [principal]  # pyright: ignore
    if "*" in named and "Condition" not in statement:
        yield "allows everybody"


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str | dict) else [*value]


def _decoded(value: Any) -> dict[str, Any] | None:
    """A policy is JSON text, and so is whatever a provider is given."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


CLOUD_RULES = (
    Rule(name="encrypted", control="A03", says="What a cloud keeps is encrypted.", check=_encrypted),
    StackRule(name="buckets", control="A07", says="Buckets are encrypted, private, versioned.", check=_buckets),
    Rule(name="private", control="A01", says="Nothing is reached past the front door.", check=_private),
    Rule(name="tagged", control="P03", says="A budget counts everything.", check=_tagged),
    StackRule(name="protected", control="P02", says="What is kept is protected where it must.", check=_protected),
    StackRule(name="pinned-bases", control="S01", says="Protected stacks build from digests.", check=_bases),
    Rule(name="no-wildcard", control="A06", says="Nobody may do everything, or on everything.", check=_no_wildcard),
)

"""Rules of what Google Cloud keeps and lets in: private, encrypted with keys that change, and no role that may all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.policy.rule import Broken, Resource, Rule

EVERYBODY = ("0.0.0.0/0", "::/0")
CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
BUCKET, FIREWALL = "gcp:storage/bucket:Bucket", "gcp:compute/firewall:Firewall"
STORE = "gcp:memorystore/instance:Instance"
# What must be said of each type, by the way to it.
ENCRYPTED: Mapping[str, tuple[str, ...]] = {
    "gcp:artifactregistry/repository:Repository": ("kmsKeyName",),
    "gcp:kms/cryptoKey:CryptoKey": ("rotationPeriod",),
    STORE: ("kmsKey",),
    CLUSTER: ("databaseEncryption", "keyName"),
    POOL: ("nodeConfig", "bootDiskKmsKey"),
    BUCKET: ("encryption", "defaultKmsKeyName"),
}
ANYBODY = ("allUsers", "allAuthenticatedUsers")
# Whoever has one of them may do nearly anything, or become somebody who may.
WIDE_ROLES = ("roles/owner", "roles/editor", "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser")


def _encrypted(one: Resource) -> Broken:
    way = ENCRYPTED.get(one.type)
    if way and not _at(one.props, *way):
        yield f"`{'.'.join(way)}` is not set"


def _kept(one: Resource) -> Broken:
    if one.type == BUCKET and not (_at(one.props, "versioning", "enabled") or one.props.get("retentionPolicy")):
        yield "keeps neither versions nor what must stay"


def _private(one: Resource) -> Broken:
    props = one.props
    if one.type == CLUSTER:
        named = {block.get("cidrBlock") for block in _at(props, "masterAuthorizedNetworksConfig", "cidrBlocks") or ()}
        alone = _at(props, "privateClusterConfig", "enablePrivateEndpoint") is True
        if not alone and (not named or named & {*EVERYBODY}):
            yield "everybody reaches its API"
    if one.type in (CLUSTER, POOL):
        where = "privateClusterConfig" if one.type == CLUSTER else "networkConfig"
        if _at(props, where, "enablePrivateNodes") is not True:
            yield "machines get public addresses by themselves"
    if one.type == BUCKET:
        if props.get("publicAccessPrevention") != "enforced":
            yield "`publicAccessPrevention` is not `enforced`"
        if props.get("uniformBucketLevelAccess") is not True:
            yield "objects may say themselves who reads them"
    if one.type == STORE:
        if props.get("authorizationMode") != "IAM_AUTH":
            yield "whoever reaches it reads it"
        if props.get("transitEncryptionMode") != "SERVER_AUTHENTICATION":
            yield "what goes there is in plain"
    lets_in = one.type == FIREWALL and props.get("direction") != "EGRESS" and props.get("allows")
    if lets_in and {*props.get("sourceRanges", EVERYBODY)} & {*EVERYBODY}:
        yield "everybody reaches the network"


def _narrow(one: Resource) -> Broken:
    """Of every kind of grant: of a project, a bucket, a key, a repository."""
    if one.type.startswith("gcp:") and "role" in one.props:
        role, members = one.props["role"], one.props.get("members", [one.props.get("member")])
        if role in WIDE_ROLES or str(role).endswith((".admin", "Admin")):
            yield f"gives `{role}`"
        yield from (f"lets `{member}` in" for member in members if member in ANYBODY)


def _identity(one: Resource) -> Broken:
    if one.type == CLUSTER and not _at(one.props, "workloadIdentityConfig", "workloadPool"):
        yield "pods would be their machine"
    if one.type == POOL:
        if _at(one.props, "nodeConfig", "workloadMetadataConfig", "mode") != "GKE_METADATA":
            yield "pods reach their machine's credentials"
        if not _at(one.props, "nodeConfig", "serviceAccount"):
            yield "its machines are the project's own account, which may nearly all"


def _shielded(one: Resource) -> Broken:
    if one.type == POOL:
        for name in ("enableSecureBoot", "enableIntegrityMonitoring"):
            if _at(one.props, "nodeConfig", "shieldedInstanceConfig", name) is not True:
                yield f"`{name}` is not true"


def _at(props: Mapping[str, Any], *way: str) -> Any:
    """What is there, or None."""
    found: Any = props
    for name in way:
        found = found.get(name) if isinstance(found, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return found  # pyright: ignore[reportUnknownVariableType]


GOOGLE_RULES = (
    Rule(name="google-encrypted", control="A03", says="What Google keeps has keys of ours.", check=_encrypted),
    Rule(name="google-kept", control="A07", says="Buckets keep what was replaced.", check=_kept),
    Rule(name="google-private", control="G01", says="Nothing is reached past the front door.", check=_private),
    Rule(name="google-identity", control="G02", says="A pod is itself, not its machine.", check=_identity),
    Rule(name="google-shielded", control="G03", says="Machines start what they should.", check=_shielded),
    Rule(name="google-narrow", control="G06", says="Nobody may do everything, nobody unknown.", check=_narrow),
)

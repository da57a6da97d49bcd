"""Rights of workloads on Google Cloud: each service account that reaches something there, and exactly what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.plan.in_cluster import GATEWAY, MODEL_FETCH
from infra.plan.serving import ServingPlan
from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.platforms.gcp.secrets_plan import secrets_read

# Buckets of a site.
MODELS, AUDIT = "models", "audit"
# Google's own roles: of these each has what is needed and no more.
READS, FILLS, ADDS = "roles/storage.objectViewer", "roles/storage.objectUser", "roles/storage.objectCreator"
READS_SECRETS = "roles/secretmanager.secretAccessor"
# Logs, metrics and what a node says of itself (GKE documentation, "Least privilege for node pools", read 2026-11).
NODE_ROLES = ("roles/container.defaultNodeServiceAccount",)
READS_IMAGES = "roles/artifactregistry.reader"


@dataclass(frozen=True, kw_only=True)
class WorkloadRights:
    """Of one service account of the cluster: a role on a bucket, for what is below `prefixes`, and the secrets that it
    reads (`projects/PROJECT/secrets/NAME`)."""

    namespace: str
    service_account: str
    bucket: str | None
    role: str
    prefixes: tuple[str, ...]
    secrets: tuple[str, ...] = ()


def workload_rights(serving: ServingPlan, audit: AuditBucketPlan | None) -> Mapping[str, WorkloadRights]:
    """By service account. Gateways reach nothing of Google but the audit's bucket and keys of their clients."""

    def rights(account: str, bucket: str | None, role: str, *prefixes: str) -> WorkloadRights:
        return WorkloadRights(
            namespace=serving.namespace, service_account=account, bucket=bucket, role=role, prefixes=prefixes
        )

    own = {engine.name: f"models/{engine.model}/" for engine in serving.engines.values()}
    found = {account: rights(account, MODELS, READS, prefix) for account, prefix in own.items()}
    if own:
        found[MODEL_FETCH] = rights(MODEL_FETCH, MODELS, FILLS, *own.values())
    secrets = secrets_read(serving.gateway_pods.keys)
    if audit is not None or secrets:
        found[GATEWAY] = WorkloadRights(
            namespace=serving.namespace,
            service_account=GATEWAY,
            bucket=AUDIT if audit else None,
            role=ADDS,
            prefixes=(audit.prefix,) if audit else (),
            secrets=secrets,
        )
    return found

"""Rights of workloads on Google Cloud: each service account that reaches something there, and exactly what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.plan.in_cluster import GATEWAY, MODEL_FETCH
from infra.plan.serving import EnginePlan, ServingPlan
from infra.plan.types import ModelPlan
from infra.plan.weights_bucket import folder, folder_of, is_kept, weights_of
from infra.platforms.gcp.audit_plan import AuditBucketPlan
from infra.platforms.gcp.secrets_plan import secrets_read

# Buckets of a site.
MODELS, AUDIT = "models", "audit"
# Google's own roles: of these each has what is needed and no more.
READS, FILLS, ADDS = "roles/storage.objectViewer", "roles/storage.objectUser", "roles/storage.objectCreator"
# Of one condition, which has 12 operators at most (IAM documentation, "Quotas and limits").
MOST_PREFIXES = 13
READS_SECRETS = "roles/secretmanager.secretAccessor"
# Logs, metrics and what a node says of itself (GKE documentation, "Least privilege for node pools", read 2026-11).
NODE_ROLES = ("roles/container.defaultNodeServiceAccount",)
READS_IMAGES = "roles/artifactregistry.reader"


@dataclass(frozen=True, kw_only=True)
class WorkloadRights:
    """Of one service account of the cluster: a role on a bucket, for what is below `prefixes`, and the secrets that it
    reads (`projects/PROJECT/secrets/NAME`). One that `lists` sees the names of everything in the bucket: whoever mounts
    it asks for that before anything else."""

    namespace: str
    service_account: str
    bucket: str | None
    role: str
    prefixes: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    lists: bool = False


def workload_rights(
    serving: ServingPlan, models: Mapping[str, ModelPlan], audit: AuditBucketPlan | None, *, kept: bool
) -> Mapping[str, WorkloadRights]:
    """By service account, and where it reaches another bucket too, also by that. With weights `kept` in the site's
    bucket engines read their own model's, and one job writes those that are. Gateways reach nothing of Google but the
    audit's bucket and keys of their clients, and weights of engines that are in one pod with them."""

    def rights(
        account: str, bucket: str | None, role: str, *prefixes: str, engines: Iterable[EnginePlan] = ()
    ) -> WorkloadRights:
        return WorkloadRights(
            namespace=serving.namespace,
            service_account=account,
            bucket=bucket,
            role=role,
            prefixes=prefixes,
            lists=any(engine.weights_volume.mount for engine in engines),
        )

    copied = {name: [one for one in weights_of(plan) if kept and is_kept(one)] for name, plan in models.items()}
    reading = [engine for engine in serving.engines.values() if copied[engine.model]]
    # Every revision of it: replicas of the one before still start during a change.
    found = {
        engine.name: rights(engine.name, MODELS, READS, f"{folder_of(engine.model)}/", engines=[engine])
        for engine in reading
        if not engine.beside_gateway
    }
    if beside := [engine for engine in reading if engine.beside_gateway]:
        below = (f"{folder_of(engine.model)}/" for engine in beside)
        found[f"{GATEWAY}-{MODELS}"] = rights(GATEWAY, MODELS, READS, *below, engines=beside)
    # Exactly these revisions: it runs once for each, and nothing of it starts later.
    fills = [*dict.fromkeys(f"{folder(name, one)}/" for name, several in copied.items() for one in several)]
    for begin in range(0, len(fills), MOST_PREFIXES):
        called = f"{MODEL_FETCH}-{begin // MOST_PREFIXES + 1}" if begin else MODEL_FETCH
        found[called] = rights(MODEL_FETCH, MODELS, FILLS, *fills[begin : begin + MOST_PREFIXES])
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

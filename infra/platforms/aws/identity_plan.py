"""Roles of workloads on AWS: one for each that reaches something of AWS, and exactly what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.plan.in_cluster import GATEWAY, MODEL_FETCH
from infra.plan.serving import ServingPlan
from infra.platforms.aws.audit_plan import AuditBucketPlan
from infra.platforms.aws.secrets_plan import secrets_read

# Buckets of a site.
MODELS, AUDIT = "models", "audit"


@dataclass(frozen=True, kw_only=True)
class WorkloadRole:
    """The role of one service account. `prefixes` are those that it reads of the bucket of models, and `fills` says
    whether it writes them too. With the bucket `audit` it puts there what nobody, it included, reads or takes back.
    `secrets` are ARNs of those that it reads."""

    namespace: str
    service_account: str
    prefixes: tuple[str, ...]
    fills: bool
    bucket: str = MODELS
    secrets: tuple[str, ...] = ()


def workload_roles(serving: ServingPlan, audit: AuditBucketPlan | None) -> Mapping[str, WorkloadRole]:
    """By service account. Gateways reach nothing of AWS but the audit's bucket, keys of
    their clients and their own secrets: without any they have no role."""
    own = {engine.name: engine.model for engine in serving.engines.values()}
    readers = {
        account: WorkloadRole(
            namespace=serving.namespace, service_account=account, prefixes=(f"models/{model}",), fills=False
        )
        for account, model in own.items()
    }
    fetcher = WorkloadRole(
        namespace=serving.namespace,
        service_account=MODEL_FETCH,
        prefixes=tuple(f"models/{model}" for model in own.values()),
        fills=True,
    )
    found = {**readers, MODEL_FETCH: fetcher} if own else {}
    secrets = secrets_read(serving.gateway_pods.keys, serving.gateway_pods.secrets)
    if audit is None and not secrets:
        return found
    gateway = WorkloadRole(
        namespace=serving.namespace,
        service_account=GATEWAY,
        prefixes=(audit.prefix.rstrip("/"),) if audit else (),
        fills=audit is not None,
        bucket=AUDIT if audit else MODELS,
        secrets=secrets,
    )
    return {**found, GATEWAY: gateway}

"""Roles of workloads on AWS: one for each that reaches something of AWS, and exactly what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.plan.in_cluster import MODEL_FETCH
from infra.plan.serving import ServingPlan


@dataclass(frozen=True, kw_only=True)
class WorkloadRole:
    """The role of one service account. `prefixes` are those of the bucket of models that it reads, and `fills` says
    whether it writes them too."""

    namespace: str
    service_account: str
    prefixes: tuple[str, ...]
    fills: bool


def workload_roles(serving: ServingPlan) -> Mapping[str, WorkloadRole]:
    """By service account. Gateways reach nothing of AWS, and have no role."""
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
    return {**readers, MODEL_FETCH: fetcher} if own else {}

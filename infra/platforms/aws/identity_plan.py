"""Roles of workloads on AWS: one for each that reaches something of AWS, and exactly what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.plan.in_cluster import GATEWAY, MODEL_FETCH
from infra.plan.serving import ServingPlan
from infra.plan.types import ModelPlan
from infra.plan.weights_bucket import folder, folder_of, is_kept, weights_of
from infra.platforms.aws.audit_plan import AuditBucketPlan
from infra.platforms.aws.config import AwsSettings
from infra.platforms.aws.secrets_plan import secrets_read
from infra.platforms.aws.weights_plan import keeps_weights, objects_of

# Buckets of a site.
MODELS, AUDIT = "models", "audit"


@dataclass(frozen=True, kw_only=True)
class WorkloadRole:
    """The role of one service account. Of the bucket of models it reads below the prefixes `reads` and writes below
    `fills`; with `lists` it is told what is below those that it reads there, or in other buckets. In that of the audit
    it puts below `puts` what nobody, it included, reads or takes back. `objects` are ARNs of what it reads in buckets
    that are not the site's, with `keys` that are not either; `secrets` those of secrets."""

    namespace: str
    service_account: str
    reads: tuple[str, ...] = ()
    fills: tuple[str, ...] = ()
    puts: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    lists: bool = False

    @property
    def reaches_something(self) -> bool:
        """Without that it needs no role."""
        return any((self.reads, self.fills, self.puts, self.objects, self.secrets))


def workload_roles(
    serving: ServingPlan, models: Mapping[str, ModelPlan], settings: AwsSettings, audit: AuditBucketPlan | None
) -> Mapping[str, WorkloadRole]:
    """By service account. Engines read weights, one job writes those that are kept, and gateways reach nothing of AWS
    but the audit's bucket, keys of their clients and their own secrets."""
    kept = keeps_weights(settings)
    roles = [
        _reader(
            GATEWAY if engine.beside_gateway else engine.name, serving, models[engine.model], engine.model, settings
        )
        for engine in serving.engines.values()
    ]
    fills = [folder(name, weights) for name, plan in models.items() for weights in weights_of(plan) if is_kept(weights)]
    roles.append(
        WorkloadRole(
            namespace=serving.namespace,
            service_account=MODEL_FETCH,
            # Exactly these revisions: it runs once for each, and nothing of it starts later.
            fills=tuple(dict.fromkeys(fills)) if kept else (),
        )
    )
    roles.append(
        WorkloadRole(
            namespace=serving.namespace,
            service_account=GATEWAY,
            puts=(audit.prefix.rstrip("/"),) if audit else (),
            secrets=secrets_read(serving.gateway_pods.keys, serving.gateway_pods.secrets),
        )
    )
    found: dict[str, WorkloadRole] = {}
    for role in roles:
        before = found.get(role.service_account)
        found[role.service_account] = _both(before, role) if before else role
    return {account: role for account, role in found.items() if role.reaches_something}


def _reader(account: str, serving: ServingPlan, plan: ModelPlan, model: str, settings: AwsSettings) -> WorkloadRole:
    """Of the site's bucket every revision of one model: replicas of the one before still start during a change."""
    found = weights_of(plan)
    objects = tuple(dict.fromkeys(arn for weights in found if (arn := objects_of(weights))))
    return WorkloadRole(
        namespace=serving.namespace,
        service_account=account,
        reads=(folder_of(model),) if keeps_weights(settings) and any(map(is_kept, found)) else (),
        objects=objects,
        keys=tuple(settings.weights_keys) if objects else (),
        # What streams them looks for their names itself.
        lists=plan.container.streams_weights,
    )


def _both(one: WorkloadRole, other: WorkloadRole) -> WorkloadRole:
    """Whoever is in one pod has one account."""
    return WorkloadRole(
        namespace=one.namespace,
        service_account=one.service_account,
        reads=(*one.reads, *other.reads),
        fills=(*one.fills, *other.fills),
        puts=(*one.puts, *other.puts),
        objects=(*one.objects, *other.objects),
        keys=(*one.keys, *other.keys),
        secrets=(*one.secrets, *other.secrets),
        lists=one.lists or other.lists,
    )

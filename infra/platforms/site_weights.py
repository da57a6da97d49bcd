"""Where replicas of a site in a cloud have weights of a hub from: a bucket of the site, filled once, or that hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from infra.plan.bucket_mount import Mounts
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.types import ModelPlan
from infra.plan.weights_bucket import WeightsBucket, filling_text, is_kept, weights_of
from infra.platforms.base import SiteRequest
from infra.sizing.types import GIB

WeightsFrom = Annotated[
    Literal["bucket", "source"],
    Field(
        description="Where replicas get weights of a hub from: `bucket`, one of the site, which a job fills once; or "
        "`source`, the hub itself, each time."
    ),
]


def with_weights_bucket(facts: ClusterFacts, url: str | None, mounts: Mounts | None = None) -> ClusterFacts:
    """What serving can use there, the site's bucket too, which pods may mount; without its address, none."""
    return facts if url is None else replace(facts, weights_bucket=WeightsBucket(url=url, mounts=mounts))


def weights_text(request: SiteRequest, *, kept: bool, gbps: float | None, others: Mapping[str, str]) -> str:
    """For a reader of the plan: where they are, and what a first start waits for. The job's machine has a network of
    `gbps`; `others` are in buckets that are not the site's, by model."""
    copied = {name: plan for name, plan in request.models.items() if kept and is_kept(plan.weights)}
    hub = [name for name, plan in request.models.items() if name not in copied and is_kept(plan.weights)]
    said = [
        *([filling_text(copied, gbps)] if copied else []),
        *([f"each replica fetches its own from its hub: {', '.join(hub)}"] if hub else []),
        *(f"{name} from {where}" for name, where in others.items()),
    ]
    return "; ".join(said) or "where engines run"


def hub_warnings(request: SiteRequest, nat: str, otherwise: str) -> Iterator[str]:
    """Hubs that no node reaches, where `nat` says that there is none; `otherwise` is what else can be done."""
    for name, plan in request.models.items():
        for weights in weights_of(plan):
            if is_kept(weights):
                yield (
                    f"site `{request.site}`: weights of `{name}`: no node reaches {weights.location} (`nat: {nat}`): "
                    f"fill the site's bucket from a machine that reaches both, or {otherwise}"
                )


def stored_gb(models: Mapping[str, ModelPlan], *, kept: bool) -> tuple[float, float]:
    """What the site's bucket keeps, and what each replica brings from a hub itself; of models of known size."""
    stored = sum((plan.operation.stored_gib or 0.0) * GIB / 1e9 for plan in models.values() if is_kept(plan.weights))
    return (stored, 0.0) if kept else (0.0, stored)

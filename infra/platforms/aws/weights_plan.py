"""Where replicas of a site on AWS have their weights from: its own bucket, one that somebody else fills, or a hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from infra.catalog.instances import network_gbps
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.in_cluster import WEIGHTS_BUCKET_PLACE
from infra.plan.types import ModelPlan, Weights
from infra.plan.weights_bucket import WeightsBucket, filling_text, is_kept, weights_of
from infra.platforms.aws.config import AwsSettings
from infra.platforms.base import SiteRequest
from infra.sizing.types import GIB

_ADDRESS = re.compile(r"https://([a-z0-9-]+)\.s3\.([a-z0-9-]+)\.amazonaws\.com/(.+)")


def keeps_weights(settings: AwsSettings) -> bool:
    """Whether a job copies what a hub has into the site's bucket."""
    return settings.weights_from == "bucket"


def with_weights_bucket(facts: ClusterFacts, settings: AwsSettings) -> ClusterFacts:
    """What serving can use there, the site's bucket too."""
    if not keeps_weights(settings):
        return facts
    url = f"https://{WEIGHTS_BUCKET_PLACE}.s3.{settings.region}.amazonaws.com"
    return replace(facts, weights_bucket=WeightsBucket(url=url))


def objects_of(weights: Weights) -> str | None:
    """Of a bucket that is not the site's, the ARN of all below its prefix; None where they are elsewhere."""
    found = _ADDRESS.fullmatch(weights.location)
    return f"arn:aws:s3:::{found[1]}/{found[3]}/*" if found else None


def weights_text(request: SiteRequest) -> str:
    """For a reader of the plan: where they are, and what a first start waits for."""
    settings: AwsSettings = request.settings
    copied = {name: plan for name, plan in request.models.items() if keeps_weights(settings) and is_kept(plan.weights)}
    hub = [name for name, plan in request.models.items() if name not in copied and is_kept(plan.weights)]
    others = {name: plan.weights.location for name, plan in request.models.items() if objects_of(plan.weights)}
    said = [
        *([filling_text(copied, network_gbps("aws", settings.gateway_instance_type))] if copied else []),
        *([f"each replica fetches its own from its hub: {', '.join(hub)}"] if hub else []),
        *(f"{name} from {where}" for name, where in others.items()),
    ]
    return "; ".join(said) or "where engines run"


def weights_warnings(request: SiteRequest) -> Iterator[str]:
    """Hubs that nobody reaches, and buckets that are too far."""
    settings: AwsSettings = request.settings
    closed = settings.nat == "none" and settings.network.cidr is not None
    for name, plan in request.models.items():
        for weights in weights_of(plan):
            where = f"site `{request.site}`: weights of `{name}`"
            if closed and is_kept(weights):
                yield (
                    f"{where}: no node reaches {weights.location} (`nat: none`): fill the site's bucket from a machine "
                    "that reaches both, or name weights that are in a bucket (`source: {kind: s3}`)"
                )
            found = _ADDRESS.fullmatch(weights.location)
            if found and found[2] != settings.region:
                yield (
                    f"{where} come from another region, {found[2]}, to every replica: slower than the cold start says, "
                    "and each GB is paid for" + ("; and no node reaches it (`nat: none`)" if closed else "")
                )


def stored_gb(models: Mapping[str, ModelPlan], settings: AwsSettings) -> tuple[float, float]:
    """What the site's bucket keeps, and what each replica brings from a hub itself; of models of known size."""
    stored = sum((plan.operation.stored_gib or 0.0) * GIB / 1e9 for plan in models.values() if is_kept(plan.weights))
    return (stored, 0.0) if keeps_weights(settings) else (0.0, stored)

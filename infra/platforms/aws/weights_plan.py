"""Where replicas of a site on AWS have their weights from: its own bucket, one that somebody else fills, or a hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from infra.catalog.instances import network_gbps
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.in_cluster import WEIGHTS_BUCKET_PLACE
from infra.plan.types import ModelPlan, Weights
from infra.plan.weights_bucket import weights_of
from infra.platforms import site_weights
from infra.platforms.aws.config import AwsSettings
from infra.platforms.base import SiteRequest

_ADDRESS = re.compile(r"https://([a-z0-9-]+)\.s3\.([a-z0-9-]+)\.amazonaws\.com/(.+)")


def keeps_weights(settings: AwsSettings) -> bool:
    """Whether a job copies what a hub has into the site's bucket."""
    return settings.weights_from == "bucket"


def in_cluster(settings: AwsSettings) -> ClusterFacts:
    """What serving can use there. A store of limits in the cluster would go with one zone; limits must outlive it."""
    facts = ClusterFacts(limits_store=True, keda=settings.keda)
    url = f"https://{WEIGHTS_BUCKET_PLACE}.s3.{settings.region}.amazonaws.com"
    return site_weights.with_weights_bucket(facts, url if keeps_weights(settings) else None)


def objects_of(weights: Weights) -> str | None:
    """Of a bucket that is not the site's, the ARN of all below its prefix; None where they are elsewhere."""
    found = _ADDRESS.fullmatch(weights.location)
    return f"arn:aws:s3:::{found[1]}/{found[3]}/*" if found else None


def weights_text(request: SiteRequest) -> str:
    """For a reader of the plan: where they are, and what a first start waits for."""
    settings: AwsSettings = request.settings
    return site_weights.weights_text(
        request,
        kept=keeps_weights(settings),
        gbps=network_gbps("aws", settings.gateway_instance_type),
        others={name: plan.weights.location for name, plan in request.models.items() if objects_of(plan.weights)},
    )


def weights_warnings(request: SiteRequest) -> Iterator[str]:
    """Hubs that nobody reaches, and buckets that are too far."""
    settings: AwsSettings = request.settings
    closed = settings.nat == "none" and settings.network.cidr is not None
    if closed:
        otherwise = "name weights that are in a bucket (`source: {kind: s3}`)"
        yield from site_weights.hub_warnings(request, "none", otherwise)
    for name, plan in request.models.items():
        for weights in weights_of(plan):
            found = _ADDRESS.fullmatch(weights.location)
            if found and found[2] != settings.region:
                yield (
                    f"site `{request.site}`: weights of `{name}` come from another region, {found[2]}, to every "
                    "replica: slower than the cold start says, and each GB is paid for"
                    + ("; and no node reaches it (`nat: none`)" if closed else "")
                )


def stored_gb(models: Mapping[str, ModelPlan], settings: AwsSettings) -> tuple[float, float]:
    """What the site's bucket keeps, and what each replica brings from a hub itself; of models of known size."""
    return site_weights.stored_gb(models, kept=keeps_weights(settings))

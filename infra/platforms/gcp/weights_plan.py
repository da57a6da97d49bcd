"""Where replicas of a site on Google Cloud have their weights from: its own bucket, or a hub."""

from __future__ import annotations

from collections.abc import Iterator

from infra.catalog.instances import network_gbps
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.in_cluster import WEIGHTS_BUCKET_PLACE
from infra.plan.weights_bucket import is_kept, weights_of
from infra.platforms import site_weights
from infra.platforms.base import SiteRequest
from infra.platforms.gcp.bucket_mount import bucket_mount
from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.shapes import PRICED_AS

# By the bucket's own host, so that what a bucket is asked for is at the same path as at S3.
ADDRESS = f"https://{WEIGHTS_BUCKET_PLACE}.storage.googleapis.com"


def keeps_weights(settings: GcpSettings) -> bool:
    """Whether a job copies what a hub has into the site's bucket."""
    return settings.weights_from != "source"


def mounts_weights(settings: GcpSettings) -> bool:
    """Whether pods have that bucket as a file system, instead of copying out of it what they read."""
    return settings.weights_from == "mount"


def in_cluster(settings: GcpSettings) -> ClusterFacts:
    """What serving can use there."""
    facts, kept = ClusterFacts(keda=settings.keda), ADDRESS if keeps_weights(settings) else None
    return site_weights.with_weights_bucket(facts, kept, bucket_mount if mounts_weights(settings) else None)


def weights_text(request: SiteRequest) -> str:
    """For a reader of the plan: where they are, and what a first start waits for."""
    settings: GcpSettings = request.settings
    machine = settings.gateway_machine_type
    gbps = network_gbps("gcp", PRICED_AS.get(machine, machine))
    said = site_weights.weights_text(request, kept=keeps_weights(settings), gbps=gbps, others={})
    mounted = [name for name, plan in request.models.items() if all(map(is_kept, weights_of(plan)))]
    if not mounts_weights(settings) or not mounted:
        return said
    return (
        f"{said}; mounted from there: {', '.join(mounted)}, each file read and checked through the mount before an "
        "engine starts, which fills the cache that the engine reads; a pod lists all names in the bucket, and reads "
        "its own model's"
    )


def weights_warnings(request: SiteRequest) -> Iterator[str]:
    """Hubs that nobody reaches."""
    settings: GcpSettings = request.settings
    if not settings.nat and settings.network.cidr is not None:
        yield from site_weights.hub_warnings(request, "false", "let nodes out (`nat: true`)")

"""A job that moves weights once: into a volume that many pods read, or into a bucket of the site."""

from __future__ import annotations

import hashlib

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels
from infra.components.placement import tolerations
from infra.components.pod_security import pod_security
from infra.plan.in_cluster import FETCHES_WEIGHTS, MODEL_FETCH
from infra.plan.serving import EnginePlan

core = kubernetes.core.v1


def weights_job(
    name: str,
    verb: str,
    engine: EnginePlan,
    cluster: ClusterHandle,
    *,
    told: tuple[str, ...],
    container: kubernetes.core.v1.ContainerArgs,
    volumes: list[kubernetes.core.v1.VolumeArgs],
    opts: pulumi.ResourceOptions,
) -> kubernetes.batch.v1.Job:
    """Runs until it has succeeded; a deployment waits for that. What it is `told` is part of its name."""
    own = labels(MODEL_FETCH, engine.name)
    return kubernetes.batch.v1.Job(
        name,
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            # A job cannot be changed: other weights are another one.
            name=f"{engine.name}-{verb}-{_digest(told)}",
            namespace=cluster.namespace,
            labels=own,
        ),
        spec=kubernetes.batch.v1.JobSpecArgs(
            backoff_limit=6,
            active_deadline_seconds=engine.pod.fetch_seconds,
            template=core.PodTemplateSpecArgs(
                metadata=kubernetes.meta.v1.ObjectMetaArgs(labels={**own, FETCHES_WEIGHTS: "true"}),
                spec=core.PodSpecArgs(
                    restart_policy="OnFailure",
                    service_account_name=MODEL_FETCH,
                    automount_service_account_token=False,
                    enable_service_links=False,
                    security_context=pod_security(engine.container.user),
                    tolerations=tolerations(cluster.gateway_nodes) or None,
                    node_selector=dict(cluster.gateway_nodes.labels) or None,
                    image_pull_secrets=cluster.pull_secrets(),
                    containers=[container],
                    volumes=volumes,
                ),
            ),
        ),
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                custom_timeouts=pulumi.CustomTimeouts(create=f"{engine.pod.fetch_seconds}s"),
                delete_before_replace=True,
            ),
        ),
    )


def _digest(told: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:10]

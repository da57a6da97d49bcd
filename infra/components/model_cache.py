"""The volume with a model's weights that many pods read, and the job that fills it once, every file checked."""

from __future__ import annotations

import hashlib

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels
from infra.components.placement import tolerations
from infra.components.pod_security import pod_security
from infra.components.weights_mount import fetch_container, weights_volumes
from infra.plan.in_cluster import FETCHES_WEIGHTS, MODEL_FETCH
from infra.plan.serving import EnginePlan

core = kubernetes.core.v1


class ModelCache(pulumi.ComponentResource):
    """Owns volume and job of one model whose plan has a volume of its own; its engines come after it. Weights are never
    changed in place: others are another job, beside the pods that still read the ones before."""

    def __init__(
        self,
        name: str,
        engine: EnginePlan,
        cluster: ClusterHandle,
        *,
        image: pulumi.Input[str],
        protect: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:serving:ModelCache", name, None, opts)
        plan, child = engine.weights_volume, cluster.child(self)
        own = labels(MODEL_FETCH, engine.name)
        volume = core.PersistentVolumeClaim(
            f"{name}-volume",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=plan.claim, namespace=cluster.namespace, labels=own),
            spec=core.PersistentVolumeClaimSpecArgs(
                access_modes=list(plan.access_modes),
                storage_class_name=plan.storage_class,
                resources=core.VolumeResourceRequirementsArgs(requests={"storage": f"{plan.size_gib}Gi"}),
            ),
            # A class that waits for the first pod would make a deployment wait for itself.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protect)),
        )
        job = kubernetes.batch.v1.Job(
            f"{name}-fetch",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                # A job cannot be changed: other weights are another one.
                name=f"{engine.name}-fetch-{_digest(plan.fetches)}",
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
                        image_pull_secrets=[
                            core.LocalObjectReferenceArgs(name=secret) for secret in cluster.image_pull_secrets
                        ]
                        or None,
                        containers=[fetch_container(plan, image)],
                        volumes=weights_volumes(plan, fetches=True),
                    ),
                ),
            ),
            opts=pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(
                    depends_on=[volume],
                    custom_timeouts=pulumi.CustomTimeouts(create=f"{engine.pod.fetch_seconds}s"),
                    delete_before_replace=True,
                ),
            ),
        )
        self.filled: pulumi.Output[str] = job.metadata.apply(lambda metadata: metadata.name or "")
        self.register_outputs({"filled": self.filled})


def _digest(fetches: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(fetches).encode()).hexdigest()[:10]

"""The volume with a model's weights that many pods read, and the job that fills it once, every file checked."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels
from infra.components.weights_job import weights_job
from infra.components.weights_mount import fetch_container, weights_volumes
from infra.plan.in_cluster import MODEL_FETCH
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
        job = weights_job(
            f"{name}-fetch",
            "fetch",
            engine,
            cluster,
            told=plan.fetches,
            container=fetch_container(plan, image, cluster),
            volumes=weights_volumes(plan, cluster, fetches=True),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[volume])),
        )
        self.filled: pulumi.Output[str] = job.metadata.apply(lambda metadata: metadata.name or "")
        self.register_outputs({"filled": self.filled})

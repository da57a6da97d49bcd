"""What brings a model's weights into the site's bucket, before engines start that read them there."""

from __future__ import annotations

import pulumi

from infra.components.cluster_handle import ClusterHandle
from infra.components.weights_job import weights_job
from infra.components.weights_mount import launcher_volumes, mirror_container
from infra.plan.serving import EnginePlan


class WeightsMirror(pulumi.ComponentResource):
    """Owns the job that copies them from a hub, once. The bucket is the site's, and what is in it stays."""

    def __init__(
        self,
        name: str,
        engine: EnginePlan,
        cluster: ClusterHandle,
        *,
        image: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:serving:WeightsMirror", name, None, opts)
        plan = engine.weights_volume
        job = weights_job(
            f"{name}-mirror",
            "mirror",
            engine,
            cluster,
            told=plan.mirrors,
            container=mirror_container(plan, image, cluster),
            volumes=launcher_volumes(token=True),
            opts=cluster.child(self),
        )
        self.filled: pulumi.Output[str] = job.metadata.apply(lambda metadata: metadata.name or "")
        self.register_outputs({"filled": self.filled})

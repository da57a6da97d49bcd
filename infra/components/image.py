"""The gateway's image, built and pushed by the stack: for who has no release to pull, or changes of their own."""

from __future__ import annotations

import pulumi
import pulumi_docker_build as docker_build

from infra.plan.gateway_image import GatewayImagePlan

# From the project's folder, where Pulumi runs: a full path would be another change on every machine.
CONTEXT = "."
DOCKERFILE = "serving_image/Dockerfile"


class GatewayImage(pulumi.ComponentResource):
    """The image in the registry that the plan names. `reference` is its name with its digest: what pods run.

    Owns the build and the push; not the registry, and no credentials: the builder uses those that `docker login` left.
    A preview builds nothing, so that it needs no builder and says the same on every machine.
    """

    def __init__(self, name: str, plan: GatewayImagePlan, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:image:GatewayImage", name, None, opts)
        provider = docker_build.Provider(name, opts=pulumi.ResourceOptions(parent=self))
        image = docker_build.Image(
            name,
            build_on_preview=False,
            push=True,
            context=docker_build.BuildContextArgs(location=CONTEXT),
            dockerfile=docker_build.DockerfileArgs(location=DOCKERFILE),
            target=plan.target,
            platforms=[docker_build.Platform(platform) for platform in plan.platforms],
            build_args=dict(plan.build_arguments),
            tags=[plan.tag],
            opts=pulumi.ResourceOptions(parent=self, provider=provider),
        )
        self.reference: pulumi.Output[str] = image.digest.apply(lambda digest: f"{plan.tag}@{digest}")
        self.register_outputs({"reference": self.reference})

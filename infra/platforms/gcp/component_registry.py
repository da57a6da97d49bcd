"""Deploys the repository for the images that a site runs: encrypted, and no tag is ever another image."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.identity_plan import READS_IMAGES


class Registry(pulumi.ComponentResource):
    """Owns the repository, which nodes may read. Images are pushed by whoever builds them, and deployed by digest."""

    def __init__(
        self,
        name: str,
        repository: str,
        *,
        region: str,
        key: pulumi.Input[str],
        reader: pulumi.Input[str],
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Registry", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        made = gcp.artifactregistry.Repository(
            name,
            repository_id=repository,
            location=region,
            format="DOCKER",
            kms_key_name=key,
            docker_config=gcp.artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protected)),
        )
        gcp.artifactregistry.RepositoryIamMember(
            f"{name}-nodes", repository=made.name, location=region, role=READS_IMAGES, member=reader, opts=child
        )
        self.register_outputs({})

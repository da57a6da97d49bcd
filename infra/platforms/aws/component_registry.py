"""Deploys repositories for the images that a site runs: scanned, encrypted, and no tag is ever another image."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

ecr = aws.ecr
# An image that lost its tag is one that nobody names any more, but by a digest that a stack may still have.
UNTAGGED_DAYS = 90


class Registry(pulumi.ComponentResource):
    """Owns a repository for each kind of image. Images are pushed by whoever builds them, and deployed by digest."""

    def __init__(
        self,
        name: str,
        repositories: Sequence[str],
        *,
        key_arn: pulumi.Input[str],
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Registry", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=protected)
        for repository in repositories:
            called = f"{name}-{repository.rpartition('/')[2]}"
            made = ecr.Repository(
                called,
                name=repository,
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
                encryption_configurations=[
                    ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key_arn)
                ],
                force_delete=not protected,
                opts=kept,
            )
            ecr.LifecyclePolicy(called, repository=made.name, policy=_untagged(), opts=kept)
        self.register_outputs({})


def _untagged() -> str:
    selection = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]}, sort_keys=True)

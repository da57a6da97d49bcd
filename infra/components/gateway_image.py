"""The image that a site's gateways run, by its digest: one that exists, or what the stack builds."""

from __future__ import annotations

import pulumi

from infra.plan.gateway_image import GatewayImagePlan
from infra.registry import load_object


def gateway_image(
    name: str, build: GatewayImagePlan | None, existing: str | None, parent: pulumi.Resource
) -> pulumi.Input[str]:
    """`existing`, unless there is something to build."""
    if build is None:
        return existing or ""
    # Its SDK is an extra that only such a stack needs.
    built = load_object("infra.components.image:GatewayImage")
    return built(name, build, pulumi.ResourceOptions(parent=parent)).reference

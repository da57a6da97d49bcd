"""Images beside the engines': what a user names, what the stack builds, or what a release has, in this order."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from infra.catalog.released_images import released_image
from infra.config import StackConfig
from infra.naming import DEPLOYMENT_KEY
from infra.plan.gateway_image import TARGET, GatewayImagePlan, gateway_image_plan
from infra.problems import Problem

PROJECT_FILE = Path(__file__).resolve().parents[2] / "pyproject.toml"


def gateway_build(config: StackConfig, stack: str) -> GatewayImagePlan | None:
    """None where the stack builds none: one that is named by its digest needs no other."""
    images = config.gateway.images
    if not images.build or images.gateway or config.registry is None:
        return None
    return gateway_image_plan(config.registry, _version(), stack)


def gateway_images(config: StackConfig) -> dict[str, str]:
    """What is known of the images beside the engines', by what runs from them. One that is named always wins, then
    comes what the stack builds (whose digest nobody knows yet), then the release's."""
    images = config.gateway.images
    found = {"gateway": images.gateway, "valkey": images.valkey}
    if not images.build:
        released = released_image(TARGET, config.registry)
        found["gateway"] = images.gateway or (released and released.reference)
    return {name: image for name, image in found.items() if image}


def gateway_image_problems(config: StackConfig) -> Iterator[Problem]:
    """An image that would be built and could be pushed nowhere."""
    images = config.gateway.images
    if images.build and not images.gateway and config.registry is None:
        yield Problem(
            where=f"{DEPLOYMENT_KEY}.gateway.images.build",
            found="`true`, and no `registry`",
            allowed="a `registry` that what is built is pushed to, and that clusters pull it from",
            remedy=f"add `registry: registry.example.com/team` to `{DEPLOYMENT_KEY}`, or take `build` out",
        )


@cache
def _version() -> str:
    """Slipway's own: whoever builds its image has its checkout."""
    return tomllib.loads(PROJECT_FILE.read_text(encoding="utf-8"))["project"]["version"]

"""The gateway's image as a stack builds and pushes it, where it does not take the one of a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TARGET = "gateway"
PLATFORMS = {"amd64": "linux/amd64", "arm64": "linux/arm64"}


@dataclass(frozen=True, kw_only=True)
class GatewayImagePlan:
    """What is built of serving_image/Dockerfile, for which processors, and where it goes."""

    tag: str
    target: str
    platforms: tuple[str, ...]
    build_arguments: Mapping[str, str]


def gateway_image_plan(
    registry: str, version: str, stack: str, architectures: Sequence[str] = ("amd64",)
) -> GatewayImagePlan:
    """The image in a registry (`host/path`). It runs by its digest; the tag is for people and for cleaning up, and each
    stack has its own: what one builds is not what another runs."""
    return GatewayImagePlan(
        tag=f"{registry}/{TARGET}:{version}-{stack}",
        target=TARGET,
        platforms=tuple(PLATFORMS[architecture] for architecture in sorted(set(architectures))),
        build_arguments={"VERSION": version},
    )

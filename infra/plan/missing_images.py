"""What must be said of images before a cluster can run them: every one by digest. A tag is whatever it names today."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.gateway_pods import GatewayPods
from infra.plan.types import Image
from infra.problems import Problem

IMAGES = f"{DEPLOYMENT_KEY}.gateway.images"
NAME_IT = "name it: `REGISTRY/NAME@sha256:DIGEST`"


def missing_images(
    pods: GatewayPods, engines: Mapping[str, Image], others: Mapping[str, str | None]
) -> Iterator[Problem]:
    """Images without a digest, and a builder that is not there. `engines` are by model, `others` what runs beside
    gateways, by its field."""
    if pods.build:
        yield from _no_builder()
    elif pods.image is None:
        yield _missing(
            f"{IMAGES}.gateway",
            "nothing, and no release to take it from",
            f"{NAME_IT}; or let the stack build it: `images.build: true` and a `registry`",
        )
    for field, reference in others.items():
        if reference is None:
            yield _missing(f"{IMAGES}.{field}", "nothing", NAME_IT)
    for name, image in engines.items():
        if image.digest is None:
            yield _missing(
                dotted(DEPLOYMENT_KEY, ("models", name, "engine", "image")),
                f"nothing, so that it would be `{image.reference}`, whatever that is today",
                NAME_IT,
            )


def _missing(where: str, found: str, remedy: str) -> Problem:
    return Problem(
        where=where,
        found=found,
        allowed="an image by its digest, from a registry that the cluster reaches",
        remedy=remedy,
    )


def _no_builder() -> Iterator[Problem]:
    if importlib.util.find_spec("pulumi_docker_build") is None:
        yield Problem(
            where=f"{IMAGES}.build",
            found="`true`, and the extra `images` is not installed",
            allowed="the extra `images`, with which a stack builds images",
            remedy="run `tools/python/install images`",
        )

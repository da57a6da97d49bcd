"""The gateway's image as a stack builds it: what is registered, and that a preview builds nothing."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest

from infra.plan.gateway_image import gateway_image_plan
from tests.harness import Recorder, Registration, deploy

pytest.importorskip("pulumi_docker_build", reason="the extra `images` is not installed")
ROOT = Path(__file__).resolve().parents[2]
PLAN = gateway_image_plan("registry.example.com/team/", "0.1.0", ("arm64", "amd64", "amd64"))


@pytest.fixture(scope="module")
def recorded() -> Recorder:
    def program() -> None:
        from infra.components.image import GatewayImage

        pulumi.export("reference", GatewayImage("gateway", PLAN).reference)

    return deploy(program)


@pytest.fixture(scope="module")
def image(recorded: Recorder) -> Registration:
    (image,) = recorded.of_type("docker-build:index:Image")
    return image


def test_registers_a_component_its_provider_and_the_image(recorded: Recorder, image: Registration) -> None:
    (component,) = recorded.of_type("slipway:image:GatewayImage")
    (provider,) = recorded.of_type("pulumi:providers:docker-build")
    assert component.urn in recorded.closed
    assert {provider.parent, image.parent} == {component.urn}
    assert image.provider.startswith(provider.urn)
    assert {component.name, provider.name, image.name} == {"gateway"}
    assert "reference" in recorded.outputs


def test_builds_what_the_plan_says_and_not_on_preview(image: Registration) -> None:
    built = {key: value for key, value in image.inputs.items() if key not in ("context", "dockerfile", "network")}
    assert built == {
        "buildOnPreview": False,
        "push": True,
        "target": "gateway",
        "platforms": ["linux/amd64", "linux/arm64"],
        "buildArgs": {"VERSION": "0.1.0"},
        "tags": ["registry.example.com/team/gateway:0.1.0"],
    }


def test_the_whole_checkout_is_the_context(image: Registration) -> None:
    """The Dockerfile's own ignore file says what of it is sent."""
    assert image.inputs["context"]["location"] == "."
    dockerfile = ROOT / image.inputs["dockerfile"]["location"]
    assert dockerfile.exists()
    assert dockerfile.with_name(f"{dockerfile.name}.dockerignore").exists()

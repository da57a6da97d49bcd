"""The gateway's image as a stack builds it: what is registered, that a preview builds nothing, and who runs it."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.deployable import refuse_undeployable
from infra.plan.gateway_image import gateway_image_plan
from infra.policy.rule import broken
from infra.policy.rules import RULES
from infra.problems import Refused
from infra.render.recorder import NO_DIGEST
from tests.harness import Recorder, Registration, deploy
from tests.manifests import objects, pod_templates, recorded
from tests.on_a_cluster import FILE, Deployment, resources

pytest.importorskip("pulumi_docker_build", reason="the extra `images` is not installed")
ROOT = Path(__file__).resolve().parents[2]
PLAN = gateway_image_plan("registry.example.com/team", "0.1.0", "prod", ("arm64", "amd64", "amd64"))


@pytest.fixture(scope="module")
def alone() -> Recorder:
    def program() -> None:
        from infra.components.image import GatewayImage

        pulumi.export("reference", GatewayImage("gateway", PLAN).reference)

    return deploy(program)


@pytest.fixture(scope="module")
def image(alone: Recorder) -> Registration:
    (image,) = alone.of_type("docker-build:index:Image")
    return image


def test_registers_a_component_its_provider_and_the_image(alone: Recorder, image: Registration) -> None:
    (component,) = alone.of_type("slipway:image:GatewayImage")
    (provider,) = alone.of_type("pulumi:providers:docker-build")
    assert component.urn in alone.closed
    assert {provider.parent, image.parent} == {component.urn}
    assert image.provider.startswith(provider.urn)
    assert {component.name, provider.name, image.name} == {"gateway"}
    assert alone.outputs["reference"] == f"registry.example.com/team/gateway:0.1.0-prod@{NO_DIGEST}"


def test_builds_what_the_plan_says_and_not_on_preview(image: Registration) -> None:
    built = {key: value for key, value in image.inputs.items() if key not in ("context", "dockerfile", "network")}
    assert built == {
        "buildOnPreview": False,
        "push": True,
        "target": "gateway",
        "platforms": ["linux/amd64", "linux/arm64"],
        "buildArgs": {"VERSION": "0.1.0"},
        "tags": ["registry.example.com/team/gateway:0.1.0-prod"],
    }


def test_the_whole_checkout_is_the_context(image: Registration) -> None:
    """The Dockerfile's own ignore file says what of it is sent."""
    assert image.inputs["context"]["location"] == "."
    dockerfile = ROOT / image.inputs["dockerfile"]["location"]
    assert dockerfile.exists()
    assert dockerfile.with_name(f"{dockerfile.name}.dockerignore").exists()


def built(deployment: Deployment) -> None:
    """Nothing named; weights on a volume that a job fills, so that every user of the image is there."""
    deployment["registry"] = "registry.example.com:5000/team"
    deployment["gateway"]["images"] |= {"gateway": None, "build": True}


@pytest.fixture(scope="module")
def stack() -> Recorder:
    return recorded(FILE, built)


def test_all_that_is_ours_runs_what_was_built_by_its_digest(stack: Recorder) -> None:
    """Gateways, and the launchers that fetch weights and stand before engines."""
    (image,) = stack.of_type("docker-build:index:Image")
    (tag,) = image.inputs["tags"]
    assert tag.startswith("registry.example.com:5000/team/gateway:")
    assert tag.endswith("-onprem"), "each stack has a tag of its own"
    users = [
        f"{name}/{container['name']}"
        for name, template, _ in pod_templates(objects(stack))
        for container in (*template["spec"]["containers"], *template["spec"].get("initContainers", ()))
        if container["image"] == f"{tag}@{NO_DIGEST}"
    ]
    assert any(user.endswith("/gateway") for user in users)
    assert len(users) > 1, "the launcher is in it too"
    rules = [rule for rule in RULES if rule.control == "K14"]
    assert rules
    assert [line for rule in rules for line in broken(rule, resources(objects(stack)))] == []


def test_it_is_built_inside_the_sites_stack_and_once(stack: Recorder) -> None:
    (component,) = stack.of_type("slipway:image:GatewayImage")
    (serving,) = stack.of_type("slipway:serving:ServingStack")
    assert component.parent == serving.urn
    assert component.urn in stack.closed


def test_pods_come_after_the_build(stack: Recorder) -> None:
    (image,) = stack.of_type("docker-build:index:Image")
    (gateway,) = [one for one in stack.of_type("kubernetes:apps/v1:Deployment") if one.name.endswith("-gateway")]
    assert image.urn in gateway.property_dependencies["spec"]


def test_a_named_image_is_not_built() -> None:
    def named(deployment: Deployment) -> None:
        deployment["registry"] = "registry.example.com/team"
        deployment["gateway"]["images"]["build"] = True

    assert not recorded(FILE, named).of_type("docker-build:index:Image")


def test_without_the_builders_sdk_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    built(deployment)
    plan = build_plan(validate(deployment, "onprem", {}), "onprem")
    refuse_undeployable(plan)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Refused, match="run `tools/python/install images`"):
        refuse_undeployable(plan)

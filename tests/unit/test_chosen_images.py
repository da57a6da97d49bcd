"""Which image runs: the one that is named, the one that the stack builds, that of a release, or none yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.catalog import released_images
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan

OWN = f"registry.example.com/own@sha256:{'1' * 64}"
RELEASED = f"sha256:{'ab' * 32}"
VALKEY = f"registry.example.com/valkey@sha256:{'2' * 64}"


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A release of everything that is ours."""
    recorded = tmp_path / "released.json"
    targets = ("gateway", "llama_cpp", "vllm", "sglang", "tensorrt_llm")
    images = {target: f"ghcr.io/somebody/slipway/{target}@{RELEASED}" for target in targets}
    recorded.write_text(json.dumps({"version": "1.2.3", "images": images}))
    monkeypatch.setattr(released_images, "RELEASED", recorded)
    released_images._read.cache_clear()
    yield
    released_images._read.cache_clear()


def planned(registry: str | None = None, engine: dict[str, Any] | None = None, **images: Any) -> DeploymentPlan:
    deployment: dict[str, Any] = {
        "topology": {"kind": "microservice"},
        "sites": {"here": {"platform": {"kind": "kubernetes", "context": "datacentre"}}},
        "models": {
            "chat": {
                "source": {
                    "kind": "huggingface",
                    "repo": "Qwen/Qwen3-8B",
                    "revision": "b968826d9c46dd6066d109eabc6255188de91218",
                },
                "engine": {"kind": "vllm", **(engine or {})},
                "accelerator": {"type": "L40S"},
                "scaling": {"min_replicas": 2},
            }
        },
        "clients": {"web": {"models": ["chat"]}},
        "gateway": {"limits": {"keep_alive_seconds": 155}, "images": images},
        "registry": registry,
    }
    return build_plan(validate(deployment, "case", {}), "case")


def images_of(plan: DeploymentPlan) -> tuple[str | None, str, str | None]:
    """Of gateway, engine and Valkey."""
    serving = plan.sites["here"].details.serving
    limits = serving.shared_limits
    return serving.gateway_pods.image, serving.engines["chat"].container.image.reference, limits.image


def missing(plan: DeploymentPlan) -> list[str]:
    return [problem.where.rpartition("slipway:deployment.")[2] for problem in plan.sites["here"].details.missing]


def test_without_a_release_nothing_is_known() -> None:
    plan = planned("registry.example.com/team")
    assert images_of(plan) == (None, "vllm/vllm-openai:v0.33.0", None)
    assert missing(plan) == ["gateway.images.gateway", "gateway.images.valkey", "models.chat.engine.image"]


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize("registry", [None, "registry.example.com:5000/team"])
def test_a_releases_images_come_from_the_registry_they_were_copied_to(registry: str | None) -> None:
    plan = planned(registry, valkey=VALKEY)
    where = registry or "ghcr.io/somebody/slipway"
    assert images_of(plan) == (f"{where}/gateway:1.2.3@{RELEASED}", f"{where}/vllm:1.2.3@{RELEASED}", VALKEY)
    assert missing(plan) == []
    assert not [warning for warning in plan.warnings if "no known digest" in warning]


@pytest.mark.usefixtures("release")
def test_an_image_that_is_named_always_wins() -> None:
    plan = planned("registry.example.com/team", {"image": OWN}, gateway=OWN, valkey=VALKEY, build=True)
    assert images_of(plan) == (OWN, OWN, VALKEY)
    assert plan.sites["here"].details.serving.gateway_pods.build is None


@pytest.mark.usefixtures("release")
def test_what_the_stack_builds_comes_before_a_release() -> None:
    pods = planned("registry.example.com/team", build=True).sites["here"].details.serving.gateway_pods
    assert pods.image is None
    assert pods.build.tag.startswith("registry.example.com/team/gateway:")


@pytest.mark.usefixtures("release")
def test_what_no_release_has_is_the_engines_own() -> None:
    """The build for GPUs of llama.cpp."""
    assert released_images.released_image("llama_cpp_cuda", "registry.example.com/team") is None


def test_the_registry_that_is_pushed_to_is_looked_at() -> None:
    from infra.platforms.kubernetes.needs import cluster_needs

    details = planned("registry.example.com/team", build=True).sites["here"].details
    assert cluster_needs(details).images["gateway"].startswith("registry.example.com/team/gateway:")

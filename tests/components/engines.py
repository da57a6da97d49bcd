"""Engines as a plan of a cluster has them, a cluster to put them on, and what was registered as manifests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle, Source
from infra.components.engine_certificates import Authority
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.serving import ServingPlan
from infra.plan.types import DeploymentPlan
from tests.harness import Recorder, Registration, deploy

KEY = "canary-of-the-engines-key"
IMAGE = f"registry.example/slipway@sha256:{'a' * 64}"
DIGEST = f"registry.example/vllm@sha256:{'b' * 64}"
CHAT: dict[str, Any] = {
    "source": {
        "kind": "huggingface",
        "repo": "Qwen/Qwen3-8B",
        "revision": "b968826d9c46dd6066d109eabc6255188de91218",
    },
    "engine": {"kind": "vllm", "image": DIGEST},
    "accelerator": {"type": "L40S"},
    "context_tokens": 8192,
    "concurrent_requests": 16,
    "scaling": {"min_replicas": 2, "max_replicas": 4},
}
GGUF: dict[str, Any] = {
    "source": {
        "kind": "huggingface",
        "repo": "Qwen/Qwen3-8B-GGUF",
        "revision": "7c41481f57cb95916b40956ab2f0b9b296ee0ba5",
        "file": "Qwen3-8B-Q4_K_M.gguf",
        "sha256": "0" * 64,
    },
    "engine": {"kind": "llama_cpp"},
    "accelerator": None,
}
PLATFORM: dict[str, Any] = {
    "kind": "kubernetes",
    "context": "datacentre",
    "zones": ["a", "b"],
    "keda": True,
    "prometheus": True,
}


def document(platform: dict[str, Any] | None = None, gateway: dict[str, Any] | None = None, **model: Any) -> Any:
    """A deployment of one model; a field that is None is left out."""
    chat = {name: value for name, value in {**CHAT, **model}.items() if value is not None}
    return {
        "topology": {"kind": "microservice"},
        "sites": {"here": {"platform": {**PLATFORM, **(platform or {})}}},
        "models": {"chat": chat},
        "clients": {"web": {"models": ["chat"]}},
        "gateway": gateway or {},
    }


def planned(
    platform: dict[str, Any] | None = None, gateway: dict[str, Any] | None = None, **model: Any
) -> DeploymentPlan:
    return build_plan(validate(document(platform, gateway, **model), "case", {}), "case")


def serving(platform: dict[str, Any] | None = None, gateway: dict[str, Any] | None = None, **model: Any) -> ServingPlan:
    return planned(platform, gateway, **model).sites["here"].details.serving


class NoFrontDoor:
    """Nobody comes in from outside."""

    sources: tuple[Source, ...] = ()

    def attach(self, service: kubernetes.core.v1.Service, opts: pulumi.ResourceOptions) -> pulumi.Input[str]:
        del opts
        return service.id


def handle(plan: DeploymentPlan) -> ClusterHandle:
    details = plan.sites["here"].details
    return ClusterHandle(
        provider=kubernetes.Provider("cluster", kubeconfig="{}"),
        namespace=details.serving.namespace,
        nodes=details.nodes,
        zones=details.serving.zones,
        front_door=NoFrontDoor(),
        prometheus=details.prometheus,
        image_pull_secrets=("registry",),
    )


def authority() -> Authority:
    """Who vouches for engines, where no serving stack makes it."""
    return Authority("authority", site="here", opts=pulumi.ResourceOptions())


def recorded(plan: DeploymentPlan, make: Callable[[ServingPlan, ClusterHandle], None]) -> Recorder:
    """What `make` registers for a plan."""
    return deploy(lambda: make(plan.sites["here"].details.serving, handle(plan)))


def objects(recorder: Recorder) -> dict[str, Any]:
    """Every Kubernetes object by kind and name; numbers as they are, secrets as what they hold."""
    found: dict[str, Any] = {}
    for seen in recorder.seen:
        if seen.type.startswith("kubernetes:"):
            manifest = plain(dict(seen.inputs))
            found[f"{manifest['kind']}/{manifest['metadata']['name']}"] = manifest
    return found


def plain(value: Any) -> Any:
    """Recorded numbers are all floats, and secrets are wrapped."""
    if isinstance(value, dict):
        if "4dabf18193072939515e22adb298388d" in value:
            return plain(value["value"])
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def ours(recorder: Recorder) -> list[Registration]:
    return [seen for seen in recorder.seen if seen.type.startswith(("kubernetes:", "slipway:"))]

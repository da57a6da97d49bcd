"""Requests to engines as a platform with containers makes them, and rendered arguments as a server reads them."""

from __future__ import annotations

from typing import Any

from infra.config import ModelSettings
from infra.engines import ENGINES
from infra.engines.base import EngineRequest
from infra.load import validate
from infra.plan.models import engine_request
from infra.plan.types import ContainerSpec
from infra.platforms.base import EngineAddress

CONTAINERS = EngineAddress(
    host="0.0.0.0",
    port="8000",
    weights_path="/models/{model}",
    key_file="/etc/slipway/key",
    containers=True,
    further_weights_path="/models",
)
REPOSITORY = {
    "kind": "huggingface",
    "repo": "Qwen/Qwen3-8B",
    "revision": "b968826d9c46dd6066d109eabc6255188de91218",
}
GGUF = {
    "kind": "huggingface",
    "repo": "Qwen/Qwen3-8B-GGUF",
    "revision": "7c41481f57cb95916b40956ab2f0b9b296ee0ba5",
    "file": "Qwen3-8B-Q4_K_M.gguf",
    "sha256": "0" * 64,
}


def model_settings(engine: dict[str, Any] | str, **fields: Any) -> ModelSettings:
    """One model's settings, through the same checks as a file's."""
    engine = {"kind": engine} if isinstance(engine, str) else engine
    source = REPOSITORY if "repository" in ENGINES[engine["kind"]].capabilities.weights else GGUF
    deployment = {
        "sites": {"here": {"platform": {"kind": "local"}}},
        "models": {"chat": {"source": source, "engine": engine, **fields}},
        "clients": {"dev": {"models": ["chat"]}},
    }
    return validate(deployment, "case", {}).models["chat"]


def requested(engine: dict[str, Any] | str, **fields: Any) -> EngineRequest:
    return engine_request("chat", model_settings(engine, **fields), CONTAINERS)


def rendered(engine: dict[str, Any] | str, **fields: Any) -> ContainerSpec:
    request = requested(engine, **fields)
    kind = request.settings.kind
    assert not list(ENGINES[kind].problems(request))
    return ENGINES[kind].render(request)


def flags(container: ContainerSpec) -> dict[str, str | None]:
    """Each flag with its value (several values joined by a space), or None where it has none. None is there twice."""
    found: dict[str, str | None] = {}
    flag = ""
    for word in container.arguments:
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            assert flag not in found, f"{flag} twice"
            found[flag] = value if equals else None
        elif flag:
            found[flag] = word if found[flag] is None else f"{found[flag]} {word}"
    return found

"""Recorded registrations of Kubernetes objects as manifests: what the cluster would be sent, secrets replaced."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from infra.program import deploy as program
from infra.render.kubernetes import file_name, manifest, manifests, pod_templates
from infra.render.registrations import PLACEHOLDER, SECRET_MARK, plain
from tests.harness import Recorder, deploy

__all__ = ["PLACEHOLDER", "ROOT", "file_name", "manifest", "objects", "plain", "pod_templates", "recorded", "unmarked"]

ROOT = Path(__file__).resolve().parents[1]


def recorded(path: Path, change: Any = None) -> Recorder:
    """The program, run for a stack's file; `change` may alter its deployment first."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
    deployment = values["slipway:deployment"]
    if change is not None:
        change(deployment)
    names = sorted({*_secret_names(deployment)} - {*_in_a_store(deployment)})
    config = {key: value for key, value in values.items() if key in ("slipway:deployment", "slipway:site")}
    if names:
        config["slipway:gateway_secrets"] = {name: f"canary-{name}" for name in names}
    return deploy(partial(program, ask=False), stack=path.name.split(".")[1], config=config)


def objects(recorder: Recorder) -> list[dict[str, Any]]:
    """Every object, by kind and name."""
    return sorted(manifests(recorder.seen).values(), key=file_name)


def unmarked(value: Any) -> Any:
    """What was registered, without whatever is marked as secret."""
    if isinstance(value, dict):
        return {key: unmarked(inner) for key, inner in value.items()} if SECRET_MARK not in value else None
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value


def _in_a_store(deployment: Any) -> Iterator[str]:
    """Secrets that the stack is not given: its sites have them from elsewhere."""
    for site in deployment.get("sites", {}).values():
        yield from site["platform"].get("gateway_secrets_from", {}).get("secrets", {})


def _secret_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"secret"}:
            yield value["secret"]
        for inner in value.values():
            yield from _secret_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secret_names(inner)

"""Recorded registrations of Kubernetes objects as manifests: what the cluster would be sent, secrets replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from infra.program import deploy as program
from tests.harness import SECRET, SECRET_MARK, Recorder, Registration, deploy

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "a secret, not shown"
PREFIX = "kubernetes:"


def recorded(path: Path, change: Any = None) -> Recorder:
    """The program, run for a stack's file; `change` may alter its deployment first."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
    deployment = values["slipway:deployment"]
    if change is not None:
        change(deployment)
    names = sorted(_secret_names(deployment))
    config = {key: value for key, value in values.items() if key in ("slipway:deployment", "slipway:site")}
    if names:
        config["slipway:gateway_secrets"] = {name: f"canary-{name}" for name in names}
    return deploy(program, stack=path.name.split(".")[1], config=config)


def objects(recorder: Recorder) -> list[dict[str, Any]]:
    """Every object, by kind and name."""
    found = [manifest(registration) for registration in recorder.seen if registration.type.startswith(PREFIX)]
    return sorted(found, key=file_name)


def manifest(registration: Registration) -> dict[str, Any]:
    """One object as it would be applied."""
    return plain(registration.inputs)


def file_name(found: dict[str, Any]) -> str:
    return f"{found['kind'].lower()}-{found['metadata']['name']}.yaml"


def plain(value: Any) -> Any:
    """Whole numbers as such (a recording has floats only), and no secret."""
    if isinstance(value, dict):
        if value.get(SECRET_MARK) == SECRET:
            return hidden(value["value"])
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def hidden(value: Any) -> Any:
    """The same shape without what is in it."""
    if isinstance(value, dict):
        return {key: hidden(inner) for key, inner in value.items()}
    return PLACEHOLDER


def pod_templates(found: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every pod's template with the name of its workload and the workload: also those inside custom resources."""
    for one in found:
        for template in _templates(one.get("spec")):
            yield f"{one['kind']} {one['metadata']['name']}", template, one


def _templates(value: Any) -> Iterator[dict[str, Any]]:
    """Whatever has containers in the specification of what it makes."""
    if isinstance(value, dict):
        if "containers" in value.get("spec", {}) if isinstance(value.get("spec"), dict) else False:
            yield value
        else:
            for inner in value.values():
                yield from _templates(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _templates(inner)


def _secret_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"secret"}:
            yield value["secret"]
        for inner in value.values():
            yield from _secret_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secret_names(inner)

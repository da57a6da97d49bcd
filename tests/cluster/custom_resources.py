"""The custom resource definitions of other projects, read from their Go modules and loaded into the API server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.client import Client

API_VERSION, KIND = "apiextensions.k8s.io/v1", "CustomResourceDefinition"

# Module → patterns of files below its folder.
DEFINITIONS = {
    "github.com/kedacore/keda/v2": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_*triggerauthentications.yaml",
    ),
    "sigs.k8s.io/lws": ("config/crd/bases/*.yaml",),
    "sigs.k8s.io/gateway-api": (
        "config/crd/standard/gateway.networking.k8s.io_gatewayclasses.yaml",
        "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
        "config/crd/standard/gateway.networking.k8s.io_backendtlspolicies.yaml",
    ),
    "github.com/cert-manager/cert-manager": ("deploy/crds/cert-manager.io_*.yaml",),
}
# What KEDA's release changes in the definitions that its repository generates.
PATCHES = {"scaledobjects.keda.sh": "config/crd/patches/scaledobject_patch.yaml"}


def read(modules: Mapping[str, Path], generated: Path) -> list[dict[str, Any]]:
    """Every definition, by name; `modules` maps a module to its folder, `generated` is a folder of more of them."""
    found: dict[str, dict[str, Any]] = {}
    for path in generated.iterdir():
        definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        found[definition["metadata"]["name"]] = definition
    for module, patterns in DEFINITIONS.items():
        for pattern in patterns:
            paths = sorted(modules[module].glob(pattern))
            assert paths, f"{module} has no {pattern}"
            for path in paths:
                definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
                name = definition["metadata"]["name"]
                if patch := PATCHES.get(name):
                    _add(definition, yaml.safe_load((modules[module] / patch).read_text()))
                found[name] = definition
    return [found[name] for name in sorted(found)]


def load(client: Client, definitions: list[dict[str, Any]]) -> None:
    """Make the API server serve them, and wait until it does."""
    for definition in definitions:
        client.apply(definition)
    for definition in definitions:
        client.wait_for(API_VERSION, KIND, definition["metadata"]["name"], "", _is_established, "established")


def _is_established(live: dict[str, Any]) -> bool:
    conditions = live.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


def _add(definition: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    for change in changes:
        assert change["op"] == "add", change
        *parents, last = change["path"].strip("/").split("/")
        at: Any = definition
        for part in parents:
            at = at[int(part)] if isinstance(at, list) else at[part]
        at[last] = change["value"]

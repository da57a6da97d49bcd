"""How the provider names and calls objects, and how it tells what went wrong with one."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Mapping
from typing import Any

from tests.cluster.awaiting import NotReady
from tests.cluster.client import NoSuchKind, Refused

Object = dict[str, Any]

AUTONAMED = "pulumi.com/autonamed"
PATCH_FORCE = "pulumi.com/patchForce"

# The environment variable that tells the plugin to fail: at its k-th create (`3`), or at one object (`Role a/gateway`).
BREAK = "TESTS_FAIL_AT_CREATE"


class Broken:
    """Which create is to fail; none when nothing is said."""

    def __init__(self, at: str) -> None:
        self._at, self._count = at, itertools.count(1)

    def refuses(self, what: str) -> bool:
        """Asked once for every object that is to be created."""
        return self._at in (what, str(next(self._count)))


def give_name(metadata: Object, before: Object, logical: str, seed: bytes) -> None:
    """A name of the provider's making where the program gives none; kept for as long as the object lives."""
    if metadata.get("name") or metadata.get("generateName"):
        return
    annotations = metadata["annotations"] = dict(metadata.get("annotations") or {})
    annotations[AUTONAMED] = "true"
    if before.get("annotations", {}).get(AUTONAMED) == "true":
        metadata["name"] = before["name"]
    else:
        metadata["name"] = f"{logical}-{hashlib.sha256(seed or os.urandom(8)).hexdigest()[:8]}"


def identity(live: Mapping[str, Any]) -> str:
    """The resource's id in Pulumi's state: namespace and name."""
    metadata = live["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]


def called(inputs: Mapping[str, Any]) -> str:
    """An object as a person finds it in the cluster."""
    return f"{inputs['kind']} {identity(inputs)}"


def patch_forced(inputs: Mapping[str, Any]) -> bool:
    """Whether the program says that this object takes fields from other managers."""
    return (inputs["metadata"].get("annotations") or {}).get(PATCH_FORCE) == "true"


def explained(inputs: Mapping[str, Any], failure: Refused | NoSuchKind | NotReady) -> str:
    """One line for the person who runs Pulumi."""
    if isinstance(failure, NoSuchKind):
        return f"{called(inputs)}: {failure}"
    if isinstance(failure, NotReady):
        return f"{called(inputs)} was applied, but: {failure}"
    advice = ""
    if failure.status == 409:
        advice = " (another manager owns these fields: enable_patch_force or the annotation pulumi.com/patchForce)"
    return f"the API server refused {called(inputs)}: {failure.message}{advice}"

"""What changed between two inputs of an object, what of it replaces the object, and what drifted in the cluster. Pure.

Follows pulumi-kubernetes 4.34 (provider/pkg/provider/diff.go), whose rules a program must live with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Path = tuple[str | int, ...]
Change = Literal["add", "delete", "update"]

MISSING: Any = object()

_IMMUTABLE: Mapping[str, tuple[Path, ...]] = {
    "apps/v1/Deployment": (("spec", "selector"),),
    "apps/v1/StatefulSet": (
        ("spec", "podManagementPolicy"),
        ("spec", "revisionHistoryLimit"),
        ("spec", "selector"),
        ("spec", "serviceName"),
        ("spec", "volumeClaimTemplates"),
    ),
    "batch/v1/Job": (
        ("spec", "completions"),
        ("spec", "parallelism"),
        ("spec", "selector"),
        ("spec", "template"),
    ),
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": (("roleRef",),),
    "rbac.authorization.k8s.io/v1/RoleBinding": (("roleRef",),),
    "storage.k8s.io/v1/StorageClass": (("parameters",), ("provisioner",)),
    "v1/ConfigMap": (("data",), ("binaryData",)),
    "v1/PersistentVolumeClaim": (("spec",),),
    "v1/Pod": (("spec",),),
    "v1/ResourceQuota": (("spec", "scopes"),),
    "v1/Secret": (("type",), ("stringData",), ("data",)),
    "v1/Service": (("spec", "clusterIP"),),
}


def changes(before: Any, after: Any, at: Path = ()) -> Iterator[tuple[Path, Change]]:
    """The deepest paths at which two values differ, in order."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from changes(before.get(key, MISSING), after.get(key, MISSING), (*at, key))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            yield from changes(_item(before, index), _item(after, index), (*at, index))
    elif before is MISSING:
        yield at, "add"
    elif after is MISSING:
        yield at, "delete"
    elif before != after:
        yield at, "update"


def replaces(inputs: Mapping[str, Any], path: Path, mutable: frozenset[str]) -> bool:
    """Whether a change there takes a new object. `mutable`: kinds that the provider may change in place."""
    rules: tuple[Path, ...] = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))
    if inputs["kind"] not in mutable or inputs.get("immutable") is True:
        rules += _IMMUTABLE.get(f"{inputs['apiVersion']}/{inputs['kind']}", ())
    return any(path[: len(rule)] == rule for rule in rules)


def written(path: Path) -> str:
    """A path as Pulumi writes it: `metadata.labels["a/b"][0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_$][\w$]*", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def drifted(inputs: Mapping[str, Any], live: Mapping[str, Any], applied: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as the cluster has them now.

    `applied` is what the cluster would have after `inputs` are applied again (a dry run): where it equals `live`
    nothing has drifted, however the server writes a quantity or fills a default in. Elsewhere the live value counts.
    """
    return _as_live(dict(inputs), _without_bookkeeping(live), _without_bookkeeping(applied))


def _as_live(inputs: Any, live: Any, applied: Any) -> Any:
    if live == applied:
        return inputs
    values = (inputs, live, applied)
    if all(isinstance(value, dict) for value in values):
        keys = sorted({*inputs, *live, *applied})
        found = {key: _as_live(*(value.get(key, MISSING) for value in values)) for key in keys}
        return {key: value for key, value in found.items() if value is not MISSING}
    if all(isinstance(value, list) and len(value) == len(live) for value in values):
        return [_as_live(*items) for items in zip(*values, strict=True)]
    return live


def _without_bookkeeping(live: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: live["metadata"][key] for key in ("labels", "annotations") if key in live["metadata"]}
    others = {key: value for key, value in live.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    return others | {"metadata": metadata}


def _item(values: Any, index: Any) -> Any:
    return values[index] if isinstance(values, list) and index < len(values) else MISSING

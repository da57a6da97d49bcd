"""Helm's releases as the stand-in provider keeps them: a Secret for each, as Helm does, and nothing of what the chart
would make. A test that needs an object of a chart makes it."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from tests.cluster import differences
from tests.cluster.client import Client
from tests.cluster.plugin_values import UNKNOWN, Object, fail, plain, struct

RELEASE = "kubernetes:helm.sh/v3:Release"
# A release of another name, or elsewhere, is another release (pulumi-kubernetes, `forceNew` of them).
REPLACING = ("name", "namespace")


def check(request: Any) -> Any:
    """Names are the program's here: none is made up."""
    news = plain(request.news)
    missing = [name for name in (*REPLACING, "chart", "version") if not news.get(name)]
    failures = [provider_pb2.CheckFailure(property=name, reason=f"tests want a `{name}`") for name in missing]
    return provider_pb2.CheckResponse(inputs=struct(news), failures=failures)


def diff(request: Any) -> Any:
    """By inputs alone."""
    before, after = plain(request.old_inputs), plain(request.news)
    changed = sorted({str(path[0]) for path, _ in differences.changes(before, after)})
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=changed,
        replaces=[name for name in changed if name in REPLACING],
    )


def create(client: Client, request: Any, context: Any) -> Any:
    """Also its namespace, where it is to make one."""
    inputs = plain(request.properties)
    if request.preview:
        return provider_pb2.CreateResponse(id="", properties=struct(inputs | {"status": UNKNOWN}))
    if _read(client, identity := f"{inputs['namespace']}/{inputs['name']}") is not None:
        fail(context, f"cannot re-use a name that is still in use: {identity}")
    if inputs.get("createNamespace"):
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": inputs["namespace"]}}, force=True)
    return provider_pb2.CreateResponse(id=identity, properties=_keep(client, inputs))


def update(client: Client, request: Any) -> Any:
    """The same release with other values."""
    inputs = plain(request.news)
    if request.preview:
        return provider_pb2.UpdateResponse(properties=struct(inputs | {"status": UNKNOWN}))
    return provider_pb2.UpdateResponse(properties=_keep(client, inputs))


def read(client: Client, request: Any) -> Any:
    """Nothing where somebody has uninstalled it."""
    inputs = _read(client, request.id)
    if inputs is None:
        return provider_pb2.ReadResponse(id="")
    return provider_pb2.ReadResponse(id=request.id, properties=_state(inputs), inputs=struct(inputs))


def delete(client: Client, request: Any) -> Any:
    """A namespace that it has made stays, as Helm leaves it."""
    namespace, _, name = request.id.rpartition("/")
    client.delete("v1", "Secret", kept_as(name), namespace)
    return empty_pb2.Empty()


def _keep(client: Client, inputs: Object) -> Any:
    content = base64.b64encode(json.dumps(inputs, sort_keys=True).encode()).decode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {"name": kept_as(inputs["name"]), "namespace": inputs["namespace"]},
        "data": {"release": content},
    }
    client.apply(secret, force=True)
    return _state(inputs)


def _read(client: Client, identity: str) -> Object | None:
    namespace, _, name = identity.rpartition("/")
    live = client.get("v1", "Secret", kept_as(name), namespace)
    return None if live is None else json.loads(base64.b64decode(live["data"]["release"]))


def _state(inputs: Object) -> Any:
    return struct(inputs | {"status": {"status": "deployed", "name": inputs["name"], "namespace": inputs["namespace"]}})


def kept_as(name: str) -> str:
    """The name of its Secret."""
    return f"sh.helm.release.v1.{name}.v1"

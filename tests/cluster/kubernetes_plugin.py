"""Pulumi's `kubernetes` provider as far as tests need it: objects of a real API server, by server-side apply.

The engine starts it as `pulumi-resource-kubernetes`, reads a port from its first line and speaks the ResourceProvider
protocol to it. It answers as pulumi-kubernetes 4.34 does where a program depends on it: generated names, the default
namespace, what replaces an object, that an existing object or another manager's field is refused, dry runs in previews,
waits. Of charts it keeps only that they are installed. It knows no YAML files and no patches of others' objects: a
resource of those kinds is refused.
"""

from __future__ import annotations

import argparse
import os
import re
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.cluster import awaiting, differences, plugin_releases
from tests.cluster.client import Client, NoSuchKind, Refused
from tests.cluster.plugin_objects import BREAK, Broken, called, explained, give_name, identity, patch_forced
from tests.cluster.plugin_server import serve
from tests.cluster.plugin_values import UNKNOWN, Object, fail, fail_initialisation, has_unknown, plain, struct

FIELD_MANAGER = "pulumi-kubernetes"
REFUSED_KINDS = r"kubernetes:(helm\.sh/v3:Chart|helm\.sh/v4.*|yaml[/:].*|kustomize[/:].*)|kubernetes:.*(Patch|List)"
# A custom resource may be registered before its definition is there: the provider tries again, for about this long.
MISSING_KIND_SECONDS = 15.0
DELETE_SECONDS = 300.0


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider instance: one cluster. `stop` is set when the engine cancels."""

    def __init__(self, version: str, stop: threading.Event) -> None:
        self._version, self._stop = version, stop
        self._settings: dict[str, Any] = {}
        self._made: Client | None = None
        self._broken = Broken(os.environ.get(BREAK, ""))

    # -- the provider itself (names are the protocol's) --------------------------------------------------------------

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self._version)

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        before, after = plain(request.old_inputs), plain(request.news)
        # Without an identifier a new kubeconfig may be a new cluster: everything in it is replaced.
        identified = "clusterIdentifier" in {*before, *after}
        deciding = ("clusterIdentifier",) if identified else ("kubeconfig", "context")
        replaced = [name for name in deciding if before.get(name) != after.get(name)]
        changed = before != after
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=kind, replaces=replaced)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._settings = plain(request.args)
        # Without secrets: the engine marks again what it has sent, and the SDK says that a Secret's data is one.
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._stop.set()
        return empty_pb2.Empty()

    # -- resources ---------------------------------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        if re.fullmatch(REFUSED_KINDS, request.type):
            why = f"{request.type} is made by the provider out of what no test sees: use the objects themselves"
            return provider_pb2.CheckResponse(failures=[provider_pb2.CheckFailure(property="", reason=why)])
        if request.type == plugin_releases.RELEASE:
            return plugin_releases.check(request)
        olds, news = plain(request.olds), plain(request.news)
        metadata = news.setdefault("metadata", {})
        if isinstance(metadata, dict):
            give_name(metadata, olds.get("metadata", {}), request.name, request.randomSeed)
            metadata["labels"] = metadata.get("labels") or {}
            if isinstance(metadata["labels"], dict):
                metadata["labels"].setdefault("app.kubernetes.io/managed-by", "pulumi")
            if "namespace" not in metadata and self._is_namespaced(news):
                metadata["namespace"] = self._settings.get("namespace") or "default"
        return provider_pb2.CheckResponse(inputs=struct(news))

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.type == plugin_releases.RELEASE:
            return plugin_releases.diff(request)
        before, after = plain(request.old_inputs), plain(request.news)
        found = list(differences.changes(before, after))
        mutable = frozenset(
            kind
            for kind, setting in (("ConfigMap", "enableConfigMapMutable"), ("Secret", "enableSecretMutable"))
            if self._is_on(setting)
        )
        replaced = [path for path, _ in found if differences.replaces(before, path, mutable)]
        kinds = provider_pb2.PropertyDiff
        detailed = {
            differences.written(path): kinds(
                kind=getattr(kinds, change.upper() + ("_REPLACE" if path in replaced else "")), inputDiff=True
            )
            for path, change in found
        }
        same_name = all(before["metadata"].get(key) == after["metadata"].get(key) for key in ("name", "namespace"))
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({str(path[0]) for path, _ in found}),
            replaces=sorted({differences.written(path) for path in replaced}),
            detailedDiff=detailed,
            hasDetailedDiff=True,
            # Two objects of one name cannot be there at once.
            deleteBeforeReplace=bool(replaced) and same_name,
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.type == plugin_releases.RELEASE:
            return plugin_releases.create(self._client, request, context)
        inputs = plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=self._preview(inputs, context))
        if self._broken.refuses(called(inputs)):
            fail(context, f"{called(inputs)}: refused, as {BREAK} says")
        try:
            if self._existing(inputs) and not (patch_forced(inputs) or self._is_on("upsertExistingObjects")):
                fail(context, f"{called(inputs)} already exists in the cluster, and is not this stack's")
            live = self._apply(inputs)
            live = awaiting.ready(self._client, live, request.timeout, self._stop.is_set)
        except awaiting.NotReady as late:
            fail_initialisation(context, identity(late.live), late.live, inputs, explained(inputs, late), late.reasons)
        except (Refused, NoSuchKind) as refused:
            fail(context, explained(inputs, refused))
        return provider_pb2.CreateResponse(id=identity(live), properties=struct(live))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.type == plugin_releases.RELEASE:
            return plugin_releases.update(self._client, request)
        inputs = plain(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=self._preview(inputs, context))
        try:
            live = self._apply(inputs)
            live = awaiting.ready(self._client, live, request.timeout, self._stop.is_set)
        except awaiting.NotReady as late:
            fail_initialisation(context, request.id, late.live, inputs, explained(inputs, late), late.reasons)
        except (Refused, NoSuchKind) as refused:
            fail(context, explained(inputs, refused))
        return provider_pb2.UpdateResponse(properties=struct(live))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.type == plugin_releases.RELEASE:
            return plugin_releases.read(self._client, request)
        inputs, state = plain(request.inputs), plain(request.properties)
        known = inputs or state
        if not known:
            fail(context, f"{request.type} {request.id}: only objects in the state can be read here")
        namespace, _, name = request.id.rpartition("/")
        try:
            live = self._client.get(known["apiVersion"], known["kind"], name, namespace)
        except NoSuchKind:
            live = None
        if live is None:
            return provider_pb2.ReadResponse(id="")
        if inputs:
            try:
                applied = self._client.apply(inputs, dry_run=True, force=True)
                inputs = differences.drifted(inputs, live, applied)
            except Refused:  # it cannot be applied again: the live object is being deleted, say
                pass
        return provider_pb2.ReadResponse(id=request.id, properties=struct(live), inputs=struct(inputs))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.type == plugin_releases.RELEASE:
            return plugin_releases.delete(self._client, request)
        state = plain(request.properties)
        namespace, _, name = request.id.rpartition("/")
        seconds = request.timeout or DELETE_SECONDS
        deadline = time.monotonic() + seconds
        try:
            kind = state["apiVersion"], state["kind"]
            self._client.delete(*kind, name, namespace)
            while (live := self._client.get(*kind, name, namespace)) is not None:
                if time.monotonic() > deadline or self._stop.is_set():
                    held = ", ".join(live["metadata"].get("finalizers", [])) or "nothing that it says"
                    fail(context, f"{called(state)} is not gone after {seconds:.0f} s: held by {held}")
                time.sleep(awaiting.POLL_SECONDS)
        except NoSuchKind:
            pass  # its definition is gone, and it with it
        except Refused as refused:
            fail(context, explained(state, refused))
        return empty_pb2.Empty()

    # -- the cluster ---------------------------------------------------------------------------------------------------

    @property
    def _client(self) -> Client:
        if self._made is None:
            given = self._settings.get("kubeconfig") or os.environ["KUBECONFIG"]
            text = given if "{" in given or "\n" in given else Path(given).read_text()
            self._made = Client.of_kubeconfig(text, self._settings.get("context"), field_manager=FIELD_MANAGER)
        return self._made

    def _is_on(self, setting: str) -> bool:
        return str(self._settings.get(setting, "")).lower() == "true"

    def _is_namespaced(self, inputs: Object) -> bool:
        try:
            return self._client.kind_of(inputs).namespaced
        except NoSuchKind:
            return False

    def _existing(self, inputs: Object) -> bool:
        metadata = inputs["metadata"]
        try:
            return (
                self._client.get(inputs["apiVersion"], inputs["kind"], metadata["name"], metadata.get("namespace", ""))
                is not None
            )
        except NoSuchKind:
            return False

    def _apply(self, inputs: Object) -> Object:
        force = patch_forced(inputs) or self._is_on("enablePatchForce")
        deadline = time.monotonic() + MISSING_KIND_SECONDS
        while True:
            try:
                return self._client.apply(inputs, force=force)
            except (NoSuchKind, Refused) as refused:
                missing = isinstance(refused, NoSuchKind) or refused.status == 404
                if not missing or time.monotonic() > deadline or self._stop.is_set():
                    raise
                time.sleep(1.0)

    def _preview(self, inputs: Object, context: Any) -> Any:
        """What a dry run makes of the inputs; they themselves where the API server cannot know yet."""
        if has_unknown(inputs):
            return struct(inputs | {"status": UNKNOWN})
        try:
            force = patch_forced(inputs) or self._is_on("enablePatchForce")
            live = self._client.apply(inputs, dry_run=True, force=force)
        except NoSuchKind:
            return struct(inputs | {"status": UNKNOWN})
        except Refused as refused:
            immutable = refused.status == 422 and "immutable" in refused.message
            if refused.status == 404 or immutable:  # its namespace is to be made, or the object to be replaced
                return struct(inputs | {"status": UNKNOWN})
            fail(context, explained(inputs, refused))
        for unsettled in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"):
            live["metadata"].pop(unsettled, None)
        return struct(live | {"status": UNKNOWN, "metadata": live["metadata"] | {"uid": UNKNOWN}})


def main() -> None:
    """Serve until the engine ends this process or is gone."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--version", required=True, help="the version it stands in for")
    known, _ = arguments.parse_known_args()
    # Every object that is waited for holds a worker.
    serve(partial(Provider, known.version), workers=64)


if __name__ == "__main__":
    main()

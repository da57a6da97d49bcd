"""A stand-in for a cloud's Pulumi provider: the ResourceProvider protocol over a cloud that is a file.

The engine starts it as `pulumi-resource-<package>`. It answers as the bridged providers do where a program depends on
it: physical names made of logical ones, what is computed is unknown in previews, changes that replace, refusals, drift,
and things that do not go while something needs them. It checks no schema: `terraform validate` does that elsewhere.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from infra.render.made import Made, answered, made_up
from tests.clouds.cloud import Cloud
from tests.clouds.facts import Facts
from tests.clouds.names import MADE_UP, made_name
from tests.cluster.differences import changes, written
from tests.cluster.plugin_server import serve
from tests.cluster.plugin_values import UNKNOWN, Object, fail, has_unknown, plain, struct

CLOUD_FILE = "SLIPWAY_TESTS_CLOUD"
# A marker of the state: which properties the provider named itself, as the bridge keeps it.
DEFAULTS = "__defaults"


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider instance: one place of the cloud."""

    def __init__(self, facts: Facts, version: str) -> None:
        self._facts, self._version, self._settings = facts, version, dict[str, Any]()
        self._cloud = Cloud(Path(os.environ[CLOUD_FILE]))

    # -- the provider itself (names are the protocol's) --------------------------------------------------------------

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self._version)

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        before, after = plain(request.old_inputs), plain(request.news)
        place = self._facts.place
        kind = provider_pb2.DiffResponse.DIFF_SOME if before != after else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=kind, replaces=[place] if before.get(place) != after.get(place) else []
        )

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._settings = plain(request.args)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = self._facts.asked.get(request.tok)
        if answer is None:
            fail(context, f"{request.tok}: nobody here answers that")
        return provider_pb2.InvokeResponse(**{"return": struct(answer(plain(request.args), self._place))})

    # -- resources ---------------------------------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind, olds, news = request.type, plain(request.olds), plain(request.news)
        name = self._facts.name_of(kind)
        made = olds.get(name) if name in olds.get(DEFAULTS, []) else None
        named = {part: news.get(part) for part in (name, f"{name}Prefix")}
        if made is None and not has_unknown(named):
            refused = self._facts.refusal(kind, request.name, news)
            if refused is not None:
                failure = provider_pb2.CheckFailure(property=refused[0], reason=refused[1])
                return provider_pb2.CheckResponse(failures=[failure])
        if name is not None and not news.get(name) and not news.get(f"{name}Prefix"):
            seed = (request.randomSeed or os.urandom(8)).hex()
            news[name] = made or made_name(request.name, self._facts.rule(kind), made_up(MADE_UP - 1, seed))
            news[DEFAULTS] = [name]
        return provider_pb2.CheckResponse(inputs=struct(news))

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        before, after = plain(request.old_inputs), plain(request.news)
        found = list(changes(before, after))
        replacing = self._facts.replacing.get(request.type, frozenset())
        replaced = [path for path, _ in found if str(path[0]) in replacing]
        kinds = provider_pb2.PropertyDiff
        detailed = {
            written(path): kinds(
                kind=getattr(kinds, change.upper() + ("_REPLACE" if path in replaced else "")), inputDiff=True
            )
            for path, change in found
        }
        name = self._facts.name_of(request.type)
        same_name = name is not None and before.get(name) == after.get(name)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({str(path[0]) for path, _ in found}),
            replaces=sorted({written(path) for path in replaced}),
            detailedDiff=detailed,
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaced) and same_name,
        )

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        inputs, kind = plain(request.properties), request.type
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=self._unknown(kind, inputs))
        if has_unknown(inputs):
            fail(context, f"{request.name}: something unknown came to its creation")
        with self._cloud.change() as held:
            held["creations"] += 1
            number = held["creations"]
            if {number, request.name} & {*held["refused"]}:
                fail(context, f"{request.name}: refused, as creation {number} was to be")
            given = self._facts.id_of(kind, request.name, inputs, self._place)
            taken = f"{kind} {given}" in {*held["things"], *held["kept"]}
            if taken and not inputs.get("allowOverwrite"):
                fail(context, f"{request.name}: there is a {kind} `{given}` already")
            thing = {"type": kind, "name": request.name, "id": given, "place": self._place, "inputs": inputs}
            thing["outputs"] = self._facts.answers(kind, given, inputs, self._place)
            held["things"][f"{kind} {given}"] = thing
        return provider_pb2.CreateResponse(id=given, properties=self._live(thing))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        thing = self._cloud.things().get(f"{request.type} {request.id}")
        if thing is None:
            return provider_pb2.ReadResponse(id="")
        return provider_pb2.ReadResponse(id=request.id, properties=self._live(thing), inputs=struct(thing["inputs"]))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        inputs = plain(request.news)
        if request.preview:
            # What is computed stays as it was, which a bridged provider knows from its plan.
            return provider_pb2.UpdateResponse(properties=struct(_over(plain(request.olds), inputs)))
        with self._cloud.change() as held:
            thing = held["things"].get(f"{request.type} {request.id}")
            if thing is None:
                fail(context, f"{request.type} {request.id} is not there: it was removed by somebody else")
            thing["inputs"] = inputs
            thing["outputs"] |= self._facts.answers(request.type, request.id, inputs, self._place)
        return provider_pb2.UpdateResponse(properties=self._live(thing))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._cloud.change() as held:
            gone = held["things"].get(f"{request.type} {request.id}", {"inputs": {}})
            guard, guarded = self._facts.guarded.get(request.type, ("", False))
            if gone["inputs"].get(guard, guarded):
                fail(context, f"cannot destroy {request.type} `{request.id}` without setting {guard}=false")
            if request.type in self._facts.kept:
                held["kept"].append(f"{request.type} {request.id}")
            if request.type in self._facts.holds:
                for address, other in held["things"].items():
                    if address != f"{request.type} {request.id}" and _names(other["inputs"], request.id):
                        fail(context, f"DependencyViolation: {request.type} `{request.id}` is used by {address}")
            held["things"].pop(f"{request.type} {request.id}", None)
        return empty_pb2.Empty()

    @property
    def _place(self) -> str:
        return str(self._settings.get(self._facts.place, ""))

    def _live(self, thing: Mapping[str, Any]) -> Any:
        return struct(_over(thing["outputs"], thing["inputs"]))

    def _unknown(self, kind: str, inputs: Object) -> Any:
        held = self._facts.name_of(kind)
        answers = {path: lambda _: UNKNOWN for path in (*self._facts.computed(kind), *([held] if held else []))}
        made = Made(token=kind, id=UNKNOWN, called=UNKNOWN, inputs=inputs, place=self._place)
        return struct(_over(answered(answers, made), inputs))


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Object:
    """Both, with parts of each where both are made of parts."""
    both = {name: _over(below[name], above[name]) for name in below if _are_parts(below[name], above.get(name))}
    return {**below, **above, **both}


def _are_parts(*values: Any) -> bool:
    return all(isinstance(value, dict) for value in values)


def _names(value: Any, wanted: str) -> bool:
    """Whether an id stands somewhere as a value of its own."""
    if isinstance(value, dict):
        return any(_names(inner, wanted) for inner in value.values())
    if isinstance(value, list):
        return any(_names(inner, wanted) for inner in value)
    return value == wanted


def main() -> None:
    """Serve until the engine ends this process or is gone."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--facts", required=True, help="module of the cloud's facts")
    arguments.add_argument("--version", required=True, help="the version it stands in for")
    known, _ = arguments.parse_known_args()
    facts = import_module(known.facts).FACTS
    serve(lambda _: Provider(facts, known.version), workers=16)


if __name__ == "__main__":
    main()

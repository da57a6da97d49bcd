"""Runs a program against a recording monitor: every registration as it would reach the engine, and nothing is made.

Answers like a cloud only as far as a program needs it to go on: outputs echo inputs. It refuses two resources of one
type, name and parent, which Pulumi's own mocks let pass.
"""

# Pulumi's mocks have no types.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi import Output
from pulumi.runtime import Mocks, set_all_config, set_mocks
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import run_pulumi_func

from infra.chosen_site import SITE_KEY
from infra.components.engine_certificates import AuthorityProvider, ServerCertificateProvider
from infra.naming import DEPLOYMENT_KEY, PROJECT
from infra.render.cloud_answers import asked, computed
from infra.render.registrations import SECRET_MARK, Registration

# What our own resources compute and the program goes on with. Everything else is an echo of the inputs.
COMPUTED: Mapping[str, Mapping[str, str]] = {
    "pulumi-python:dynamic/slipway:ClientKey": {"key": "a-made-key-that-is-long-enough"},
    "pulumi-python:dynamic/slipway:ProcessGroup": {"generation": "a-generation"},
}
# Certificates are real ones, of nobody: what is recorded can be served from, too.
MADE = {
    "pulumi-python:dynamic/slipway:Authority": AuthorityProvider(),
    "pulumi-python:dynamic/slipway:ServerCertificate": ServerCertificateProvider(),
}
# What is built here is nothing, by a digest of nothing.
BUILT = "docker-build:index:Image"
NO_DIGEST = f"sha256:{'0' * 64}"
# Every other key is a secret.
PUBLIC = (DEPLOYMENT_KEY, SITE_KEY)


class _Echo(Mocks):
    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        made = MADE[args.typ].create(_unwrapped(args.inputs)).outs if args.typ in MADE else None
        if args.typ == BUILT:
            made = {**args.inputs, "digest": NO_DIGEST}
        given = f"{args.name}-id"
        of_a_cloud = computed(args.typ, args.name, given, args.inputs)
        return given, made or {**args.inputs, **of_a_cloud, **COMPUTED.get(args.typ, {})}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        return {**args.args, **asked(args.token, args.args)}, []


def _unwrapped(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value["value"] if isinstance(value, dict) and SECRET_MARK in value else value
        for name, value in inputs.items()
    }


class Recorder(MockMonitor):
    """Keeps every registration, every closed component and what was exported."""

    def __init__(self) -> None:
        super().__init__(_Echo())
        self.seen: list[Registration] = []
        self.closed: set[str] = set()
        self.outputs: dict[str, Any] = {}
        self.secret_outputs: set[str] = set()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        key = (request.type, request.name, request.parent)
        assert key not in {(r.type, r.name, r.parent) for r in self.seen}, f"registered twice: {key}"
        answer = super().RegisterResource(request)
        self.seen.append(
            Registration(
                urn=answer.urn,
                type=request.type,
                name=request.name,
                parent=request.parent,
                custom=request.custom,
                inputs=MessageToDict(request.object),
                protect=request.protect,
                provider=request.provider,
                aliases=tuple(request.aliases),
                create_timeout=request.customTimeouts.create,
                depends_on=tuple(request.dependencies),
                retained=request.retainOnDelete,
                deleted_with=request.deletedWith,
                ignore_changes=tuple(request.ignoreChanges),
                property_dependencies={name: tuple(of.urns) for name, of in request.propertyDependencies.items()},
            )
        )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.closed.add(request.urn)
        return super().RegisterResourceOutputs(request)

    def of_type(self, kind: str) -> list[Registration]:
        """Every registration of one type."""
        return [registration for registration in self.seen if registration.type == kind]


def record(program: Callable[[], None], *, stack: str = "dev", config: Mapping[str, Any] | None = None) -> Recorder:
    """Runs `program` in a loop of its own, with `config` as Pulumi would hand it over (objects as JSON text)."""
    settings: Any = SETTINGS
    settings.rpc_manager.clear()
    settings.outputs.clear()
    recorder = Recorder()
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (config or {}).items()}

    async def run() -> None:
        set_mocks(_Echo(), project=PROJECT, stack=stack, preview=False, monitor=recorder)
        set_all_config(texts, [key for key in texts if key not in PUBLIC])
        await run_pulumi_func(program)
        root: Any = get_root_resource()
        outputs = {name: Output.from_input(value) for name, value in root.outputs.items()}
        recorder.outputs = {name: await value.future() for name, value in outputs.items()}
        recorder.secret_outputs = {name for name, value in outputs.items() if await value.is_secret()}

    try:
        asyncio.run(run())
    finally:
        # Pulumi looks the current loop up even where none runs.
        asyncio.set_event_loop(asyncio.new_event_loop())
    return recorder

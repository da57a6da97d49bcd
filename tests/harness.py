"""Runs the program against a recording monitor: every registration as it would reach the engine. The only mock code.

Answers like a cloud only as far as a program needs it to go on: outputs echo inputs. It refuses two resources of one
type, name and parent, which Pulumi's own mocks let pass.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi import Output
from pulumi.runtime import Mocks, set_all_config, set_mocks
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs
from pulumi.runtime.settings import SETTINGS, get_root_resource
from pulumi.runtime.stack import run_pulumi_func

SECRET_MARK = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


@dataclass(frozen=True)
class Registration:
    """One resource as it was registered."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    protect: bool
    provider: str
    aliases: tuple[Any, ...]
    create_timeout: str = ""
    depends_on: tuple[str, ...] = ()
    retained: bool = False
    deleted_with: str = ""

    def is_secret(self, name: str) -> bool:
        """Whether an input is marked secret."""
        value = self.inputs.get(name)
        return isinstance(value, dict) and value.get(SECRET_MARK) == SECRET


# What resources compute and programs go on with. Everything else is an echo of the inputs.
COMPUTED: Mapping[str, Mapping[str, Any]] = {
    "pulumi-python:dynamic/slipway:ClientKey": {"key": "a-made-key-that-is-long-enough"},
    "pulumi-python:dynamic/slipway:ProcessGroup": {"generation": "a-generation"},
    "aws:eks/cluster:Cluster": {
        "endpoint": "https://cluster.example.com",
        "certificateAuthority": {"data": "a-certificate"},
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
    "aws:lb/loadBalancer:LoadBalancer": {"dnsName": "balancer.example.com", "zoneId": "Z0BALANCER"},
    "aws:route53/record:Record": {"fqdn": "proof.example.com"},
}
ACCOUNT = "123456789012"
# What a program asks a cloud without making anything.
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
    "aws:route53/getZone:getZone": {"zoneId": "Z0EXAMPLE"},
}


def _of_a_cloud(args: MockResourceArgs) -> dict[str, Any]:
    """A name by which other things refer to it, and what follows from what was asked for."""
    kind, inputs = args.typ.partition(":")[2], args.inputs
    found: dict[str, Any] = {
        "arn": f"arn:aws:{kind.partition('/')[0]}:us-east-1:{ACCOUNT}:{args.name}",
        "name": inputs.get("name", args.name),
    }
    if kind.startswith("lb/"):
        found["arnSuffix"] = f"app/{args.name}"
    if kind == "eks/cluster:Cluster":
        found["vpcConfig"] = {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-of-the-cluster"}
    if kind == "acm/certificate:Certificate":
        found["domainValidationOptions"] = [
            {
                "domainName": name,
                "resourceRecordName": f"_proof.{name}",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": f"_proof.{name}.acm-validations.aws",
            }
            for name in (inputs["domainName"], *inputs["subjectAlternativeNames"])
        ]
    return found


class _Echo(Mocks):
    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        of_a_cloud = _of_a_cloud(args) if args.typ.startswith("aws:") else {}
        return f"{args.name}-id", {**args.inputs, **of_a_cloud, **COMPUTED.get(args.typ, {})}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        return {**args.args, **ANSWERS.get(args.token, {})}, []


class Recorder(MockMonitor):
    """Keeps every registration and every closed component."""

    def __init__(self) -> None:
        super().__init__(_Echo())
        self.seen: list[Registration] = []
        self.closed: set[str] = set()
        self.outputs: dict[str, Any] = {}

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
            )
        )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        self.closed.add(request.urn)
        return super().RegisterResourceOutputs(request)

    def of_type(self, kind: str) -> list[Registration]:
        return [registration for registration in self.seen if registration.type == kind]


def deploy(program: Callable[[], None], *, stack: str = "dev", config: Mapping[str, Any] | None = None) -> Recorder:
    """Runs `program` in a loop of its own, with `config` as Pulumi would hand it over (objects as JSON text)."""
    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()
    recorder = Recorder()
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (config or {}).items()}

    async def run() -> None:
        set_mocks(_Echo(), project="slipway", stack=stack, preview=False, monitor=recorder)
        set_all_config(texts, [key for key in texts if key != "slipway:deployment"])
        await run_pulumi_func(program)
        exported = get_root_resource().outputs  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
        recorder.outputs = {name: await Output.from_input(value).future() for name, value in exported.items()}

    try:
        asyncio.run(run())
    finally:
        # Pulumi looks the current loop up even where none runs.
        asyncio.set_event_loop(asyncio.new_event_loop())
    return recorder

"""Values of Pulumi's provider protocol: structs to plain values and back, secrets, unknowns, errors with details."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET_MARK, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"

Object = dict[str, Any]


def plain(struct: struct_pb2.Struct) -> Object:
    """The values of a struct, without what marks secrets."""
    return _unwrapped(json_format.MessageToDict(struct))


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Plain values as the protocol's struct."""
    made = struct_pb2.Struct()
    made.update(dict(values))
    return made


def has_unknown(values: Mapping[str, Any]) -> bool:
    """Whether a value is computed by something that does not exist yet."""
    return UNKNOWN in json.dumps(values)


def fail(context: grpc.ServicerContext, why: str) -> Any:
    """Ends the call: nothing was made or changed."""
    context.abort(grpc.StatusCode.UNKNOWN, why)


def fail_initialisation(
    context: grpc.ServicerContext, identity: str, live: Mapping[str, Any], inputs: Object, why: str, reasons: list[str]
) -> Any:
    """Ends the call: the object is there, so the engine keeps it in its state, but it is not well."""
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=why)
    status.details.add().Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=identity, properties=struct(live), reasons=reasons, inputs=struct(inputs)
        )
    )
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, why)


def _unwrapped(value: Any) -> Any:
    """Whole numbers as integers: a struct has only floating point."""
    if isinstance(value, dict):
        if value.get(SECRET_MARK) == SECRET:
            return _unwrapped(value["value"])
        return {key: _unwrapped(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [_unwrapped(inside) for inside in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value

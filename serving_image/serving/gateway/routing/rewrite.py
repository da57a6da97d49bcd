"""Writes another model's name into a body and leaves every other byte of its values as it is."""

from __future__ import annotations

import msgspec

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def with_model(body: bytes, model: str) -> bytes:
    """`body`, an object that parse_body accepted, with its top-level `model` replaced.

    The values of the other fields keep their very bytes: numbers of any size, escapes, white space inside.
    """
    fields = _decode(body)
    fields["model"] = msgspec.Raw(_encode(model))
    return _encode(fields)

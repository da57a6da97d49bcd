"""Step: the body must be one JSON object that everybody reads the same way."""

from __future__ import annotations

import json
from typing import Any, cast

import orjson

from serving.gateway.bounds import describe
from serving.gateway.context import RequestContext
from serving.gateway.refusal import Refusal, four_parts

# No tool schema nests like this, and engines' parsers crash or answer 500 from about 200 (jiter) to 1,000 (Python).
_DEEPEST = 100
_FEW_FIELDS = 64


class _DuplicateField(Exception):
    """An object has a field twice."""


def parse_body(context: RequestContext) -> None:
    """Fill `context.document`. The body's bytes stay what they are: they are what the engine gets."""
    try:
        # Strict: refuses NaN, infinities, invalid UTF-8, lone surrogates, and nesting deeper than 1,024.
        document = orjson.loads(context.body)
    except orjson.JSONDecodeError as error:
        # `msg` names the kind and `pos` the byte; neither quotes the body.
        raise _not_json(f"a problem at byte {error.pos} ({error.msg})") from None
    if type(document) is not dict:
        raise _not_json(f"JSON that is {describe(document)}")
    fields = cast("dict[str, Any]", document)
    # Engines differ in which of two equal fields counts, so what is checked here might not be what runs there.
    if _may_have_lost_fields(context.body, _count_fields(fields), fields):
        try:
            json.loads(context.body, object_pairs_hook=_refuse_duplicates)
        except _DuplicateField:
            raise _not_json("an object with the same field twice") from None
    context.document = fields


def _may_have_lost_fields(body: bytes, fields: int, document: dict[str, Any]) -> bool:
    """Whether only a second parse can tell if a field was there twice and one of the two is gone.

    Every field has a colon of its own outside of strings. As many colons as fields: nothing is gone. Otherwise texts
    have colons too, and as many as what was parsed has when it is written again: nothing is gone either, unless a text
    spells one as \\u003a. (2026-11, 2 KB: 1 and 3 µs; a second parse is 15 µs.)
    """
    if fields <= _FEW_FIELDS:
        # Stops behind the last colon that may be there, which in a long text is much sooner than counting all.
        place = -1
        for _ in range(fields + 1):
            place = body.find(b":", place + 1)
            if place < 0:
                return False
    colons = body.count(b":")
    return colons != fields and (b"\\u003" in body or colons != orjson.dumps(document).count(b":"))


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _DuplicateField


def _count_fields(document: dict[str, Any]) -> int:
    """All fields of all objects, level by level; refuses what nests too deep."""
    count = 0
    level: list[Any] = [document]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            if type(value) is dict:
                inner = cast("dict[str, Any]", value)
                count += len(inner)
                value = inner.values()
            # A plain loop: a comprehension is a function call of its own, and most objects here are small.
            for item in value:
                if type(item) is dict or type(item) is list:
                    below.append(item)
        if not below:
            return count
        level = below
    raise _not_json(f"nesting deeper than {_DEEPEST}")


def _not_json(found: str) -> Refusal:
    return Refusal(
        400,
        "invalid_json",
        four_parts(
            "body",
            found,
            f"one JSON object in UTF-8, each field once, no NaN or infinity, nested at most {_DEEPEST} deep",
            "Correct the body.",
        ),
    )

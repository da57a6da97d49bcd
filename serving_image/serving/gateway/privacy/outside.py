"""Asks the recogniser outside this process. Whatever goes wrong, the request is refused.

The contract: POST {"texts": [text, ...]} to the configured URL; 200 with {"findings": [[{"start": 0, "end": 4,
"kind": "person"}, ...], ...]}, a list for every text, offsets in characters (Unicode code points), kinds from the
configuration. Findings of other kinds are ignored; anything else that differs is an error.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import orjson
from msgspec import Meta

from serving.gateway.privacy.recogniser import Finding
from serving.gateway.privacy.rules import OutsideRecogniser
from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.upstream import UpstreamClient, UpstreamLost, UpstreamUnreachable

_Offset = Annotated[int, Meta(ge=0, le=2**40)]


class _Finding(msgspec.Struct):
    start: _Offset
    end: _Offset
    kind: str


class _Answer(msgspec.Struct):
    findings: list[list[_Finding]]


_decode = msgspec.json.Decoder(_Answer).decode


class _Broken(Exception):
    """The answer breaks the contract."""


async def ask_outside(
    outside: OutsideRecogniser, upstreams: UpstreamClient, texts: list[str], kinds: frozenset[str]
) -> dict[str, list[Finding]]:
    """The findings in each text, of the given kinds. Raises Refusal."""
    config = outside.config
    body = orjson.dumps({"texts": texts})
    if sum(len(text.encode()) for text in texts) > config.largest_text_bytes:
        raise _too_large(config.largest_text_bytes)
    if outside.places.locked():
        raise _unavailable()
    try:
        async with outside.places, asyncio.timeout(config.seconds):
            answer = await upstreams.open(config.url, {"Content-Type": "application/json"}, body, config.seconds)
            try:
                if answer.status != 200:
                    raise _Broken
                received = b""
                while piece := await answer.read():
                    received += piece
                    if len(received) > config.largest_answer_bytes:
                        raise _Broken
            finally:
                answer.close()
        return _checked(texts, received, kinds)
    except (TimeoutError, UpstreamLost, UpstreamUnreachable, _Broken):
        raise _unavailable() from None


def _checked(texts: list[str], received: bytes, kinds: frozenset[str]) -> dict[str, list[Finding]]:
    try:
        listed = _decode(received).findings
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Broken from None
    if len(listed) != len(texts):
        raise _Broken
    found: dict[str, list[Finding]] = {}
    for text, entries in zip(texts, listed, strict=True):
        for entry in entries:
            if not entry.start < entry.end <= len(text):
                raise _Broken
        found[text] = [Finding(entry.start, entry.end, entry.kind) for entry in entries if entry.kind in kinds]
    return found


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413,
        "privacy_too_large",
        four_parts(
            "body",
            "more text than can be scanned for personal data",
            f"{limit} bytes of text for this key",
            "Send a shorter prompt.",
        ),
    )


def _unavailable() -> Refusal:
    return Refusal(
        503,
        "privacy_recogniser_unavailable",
        four_parts(
            "gateway",
            "no proper answer in time from its recogniser of personal data",
            "requests that were scanned",
            "Try again after the seconds in Retry-After; if it stays so, tell the gateway's operator.",
        ),
        kind="api_error",
        retry_after=b"2",
    )

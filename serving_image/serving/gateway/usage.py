"""What is read of answers: token counts, and whether an event has any choice. Everything else is skipped, not built."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

_Tokens = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class Usage(msgspec.Struct):
    """Token counts as OpenAI's `usage` object has them."""

    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0


class Answer(msgspec.Struct):
    """A whole answer, or one event of a stream."""

    usage: Usage | None = None


class Event(msgspec.Struct):
    """What tells the extra event from the others: it has usage and no choice."""

    choices: list[msgspec.Raw] | None = None
    usage: dict[str, Any] | None = None


read_answer = msgspec.json.Decoder(Answer).decode
read_event = msgspec.json.Decoder(Event).decode


def usage_of(body: bytes) -> Usage | None:
    """`usage` of a whole answer, or None when there is none or it has another shape. Never raises."""
    try:
        return read_answer(body).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

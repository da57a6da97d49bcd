"""The texts of a request and of an answer, as guardrails look at them."""

from __future__ import annotations

from typing import Any, cast

import orjson

from serving.gateway import engine_errors
from serving.gateway.privacy.document import is_encoded_media, is_long_number

# Words of the protocol, not of the conversation.
_PROTOCOL = frozenset(("role", "type", "id", "object", "model", "finish_reason", "stop_reason", "detail", "format"))
_MEDIA = frozenset(("url", "data", "file_data"))
# These spell the answer out once more.
_REPEATED = frozenset(("logprobs", "prompt_logprobs"))

_Path = tuple[str | int, ...]


class RequestTexts:
    """`said` is what the model reads as text, in its order. `rest` is everything else that is no number of a few
    digits: field names, words of the protocol, media by value."""

    __slots__ = ("rest", "said")

    def __init__(self, document: dict[str, Any]) -> None:
        self.said: list[str] = []
        self.rest: list[str] = []
        for name, value in document.items():
            self.rest.append(name)
            if name != "model":  # it was compared with the configured names
                self._add(name, value)

    def all(self) -> str:
        """Everything, a text per line or more."""
        return "\n".join([*self.said, *self.rest])

    def _add(self, name: str, value: Any) -> None:
        kind = cast("type[Any]", type(value))
        if kind is str:
            words = name in _PROTOCOL or (name in _MEDIA and is_encoded_media(value))
            (self.rest if words else self.said).append(value)
        elif kind is dict:
            for inner_name, inner in cast("dict[str, Any]", value).items():
                self.rest.append(inner_name)
                self._add(inner_name, inner)
        elif kind is list:
            for entry in cast("list[Any]", value):
                self._add(name, entry)
        elif kind is int and is_long_number(value):
            self.rest.append(str(value))


def text_of_whole(body: bytes) -> str:
    """What a model wrote, from an answer that is not a stream. Raises Refusal when it cannot be read."""
    return "\n".join(_joined([body]))


def text_of_stream(stream: bytes) -> str:
    """The same from a whole event stream: the pieces of a text are put together before anybody looks at it."""
    lines = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    payloads: list[bytes] = []
    for frame in lines.split(b"\n\n"):
        data = [line[5:].removeprefix(b" ") for line in frame.split(b"\n") if line.startswith(b"data:")]
        payload = b"\n".join(data)
        if data and not payload.startswith(b"[DONE]"):
            payloads.append(payload)
    return "\n".join(_joined(payloads))


def _joined(documents: list[bytes]) -> list[str]:
    pieces: dict[_Path, list[str]] = {}
    for document in documents:
        try:
            parsed: Any = orjson.loads(document)
        except orjson.JSONDecodeError:
            raise engine_errors.malformed() from None
        if type(parsed) is not dict:
            raise engine_errors.malformed()
        _collect(parsed, (), pieces)
    return ["".join(texts) for texts in pieces.values()]


def _collect(value: Any, path: _Path, pieces: dict[_Path, list[str]]) -> None:
    if type(value) is str:
        if path[-1] not in _PROTOCOL:
            pieces.setdefault(path, []).append(value)
    elif type(value) is dict:
        for name, inner in cast("dict[str, Any]", value).items():
            if name not in _REPEATED:
                _collect(inner, (*path, name), pieces)
    elif type(value) is list:
        for place, entry in enumerate(cast("list[Any]", value)):
            index: Any = cast("dict[str, Any]", entry).get("index") if type(entry) is dict else None
            _collect(entry, (*path, index if type(index) is int else place), pieces)

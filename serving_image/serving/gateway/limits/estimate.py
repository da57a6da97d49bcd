"""How many tokens a request may take, before anybody counted: from its bytes, and from what was seen of its model.

Stated error. A model nobody has asked yet: 3 bytes of body per prompt token, which is too much for English prose
(about 4.2 bytes per token) and too little for scripts whose letters are tokens of their own. After some answers:
mean plus mean deviation of that model's own prompts. Byte-level tokenizers have no token shorter than one byte, so a
prompt never has more tokens than its bytes plus the chat template's: that is what an estimate can be off by at most.
"""

from __future__ import annotations

from typing import Any, cast

_FIRST_TOKENS_PER_BYTE = 1 / 3
_LEAST, _MOST = 1 / 16, 1.5
# The weight of the newest request: about the last thirty count.
_NEWEST = 1 / 32
# A chat template adds some tokens whatever the prompt.
_TEMPLATE_TOKENS = 8
# What an image or a sound costs is up to the model; its bytes say nothing about it. A 1,024 x 1,024 picture takes
# 258 to 1,600 tokens with the vision models in use.
_MEDIA_TOKENS = 1600


class ModelMeasure:
    """What was learned of one model's answers. Outlives reloads."""

    __slots__ = ("_deviation", "_per_byte", "_per_event", "_per_second")

    def __init__(self) -> None:
        self._per_byte = _FIRST_TOKENS_PER_BYTE
        self._deviation = 0.0
        self._per_event = 1.0
        # Output tokens of one request per second; 0: nothing seen yet.
        self._per_second = 0.0

    def prompt_tokens(self, body: bytes, messages: list[dict[str, Any]]) -> tuple[int, int]:
        """An upper guess of the prompt's tokens, and the bytes to learn from later (0: nothing to learn).

        `messages` is a chat's; other endpoints have none.
        """
        size, media = len(body), 0
        for message in messages:
            # Searching the body for pictures would cost more than all else here: only such a list can have one.
            if type(message.get("content")) is list:
                text, media = _text_and_media(messages)
                if media:
                    size = text
                break
        tokens = _TEMPLATE_TOKENS + media * _MEDIA_TOKENS + int(size * (self._per_byte + self._deviation))
        return tokens, 0 if media else size

    def learn_prompt(self, size: int, tokens: int) -> None:
        """A body of `size` bytes had `tokens` prompt tokens."""
        if size and tokens:
            seen = min(_MOST, max(_LEAST, tokens / size))
            self._deviation += (abs(seen - self._per_byte) - self._deviation) * _NEWEST
            self._per_byte += (seen - self._per_byte) * _NEWEST

    def learn_output(self, tokens: int, events: int, seconds: float) -> None:
        """A complete answer had `tokens` in `events` events (0: not streamed) and took `seconds`."""
        if tokens and events:
            self._per_event += (min(64.0, tokens / events) - self._per_event) * _NEWEST
        if tokens and seconds > 0:
            seen = tokens / seconds
            self._per_second += (seen - self._per_second) * (_NEWEST if self._per_second else 1.0)

    def output_of_events(self, events: int) -> int:
        """Tokens in a stream of which `events` events were seen."""
        return int(events * self._per_event + 0.999)

    def output_of_seconds(self, seconds: float, at_most: int) -> int:
        """Tokens generated unseen in `seconds`: by a request that was given up before its answer."""
        return min(at_most, int(seconds * self._per_second) + 1) if self._per_second else at_most


def _text_and_media(messages: list[dict[str, Any]]) -> tuple[int, int]:
    """Bytes of text, and how many parts are something else."""
    size = media = 0
    for message in messages:
        content: Any = message.get("content")
        if type(content) is str:
            size += len(content.encode())
            continue
        for part in cast("list[Any]", content) if type(content) is list else ():
            text: Any = cast("dict[str, Any]", part).get("text") if type(part) is dict else part
            if type(text) is str:
                size += len(text.encode())
            else:
                media += 1
    return size, media

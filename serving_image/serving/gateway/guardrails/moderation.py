"""Asks a model that judges texts, over HTTP.

`moderations`, as OpenAI's endpoint: POST {"input": TEXT, "model": MODEL}; 200 with {"results": [{"flagged": BOOLEAN,
"categories": {NAME: BOOLEAN, ...}}]}. With `categories` configured only these count, and all of them must be there.

`chat`, as Llama Guard: POST a chat with the text as the user's message, and after an answer that as the assistant's;
the first line of what the model says is `safe` or `unsafe`, the second the categories, such as `S1,S10`. With
`categories` configured, `unsafe` without one of these passes, and `unsafe` without any category does not.

Everything else, another status, or more than 64 KiB is a failure of the hook. A redirect is not followed.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta

from serving.gateway.guardrails.config import ModerationHookConfig, OnFailure
from serving.gateway.guardrails.hook import HookAnswer, HookRequest
from serving.gateway.guardrails.python_hook import REASON
from serving.gateway.guardrails.rules import HookFailed
from serving.gateway.upstream import UpstreamClient

_LARGEST_ANSWER = 64 * 1024
# `unsafe`, a line end and a list of categories.
_VERDICT_TOKENS = 64


class _Result(msgspec.Struct):
    flagged: bool
    categories: dict[str, bool | None] = msgspec.field(default_factory=dict[str, bool | None])


class _Moderation(msgspec.Struct):
    results: Annotated[list[_Result], Meta(min_length=1)]


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Chat(msgspec.Struct):
    choices: Annotated[list[_Choice], Meta(min_length=1)]


_decode_moderation = msgspec.json.Decoder(_Moderation).decode
_decode_chat = msgspec.json.Decoder(_Chat).decode


class ModerationHook:
    """One endpoint. See Hook."""

    kind = "moderation"

    def __init__(self, name: str, config: ModerationHookConfig, key: str | None) -> None:
        self.name = name
        self.seconds = config.timeout_milliseconds / 1000
        self.on_failure: OnFailure = config.on_failure
        self._config = config
        self._headers = {"Content-Type": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"

    async def judge(self, request: HookRequest, answer: HookAnswer | None, upstreams: UpstreamClient) -> str | None:
        """See Hook."""
        config = self._config
        body = orjson.dumps(self._question(request, answer))
        asked = await upstreams.open(config.url, self._headers, body, self.seconds)
        try:
            if asked.status != 200:
                raise HookFailed
            received = b""
            while piece := await asked.read():
                received += piece
                if len(received) > _LARGEST_ANSWER:
                    raise HookFailed
        finally:
            asked.close()
        try:
            if config.style == "chat":
                return self._verdict(_decode_chat(received).choices[0].message.content)
            return self._flagged(_decode_moderation(received).results)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise HookFailed from None

    def _question(self, request: HookRequest, answer: HookAnswer | None) -> dict[str, Any]:
        config = self._config
        named = {} if config.model is None else {"model": config.model}
        if config.style == "moderations":
            return {**named, "input": request.text if answer is None else answer.text}
        messages = [{"role": "user", "content": request.text}]
        if answer is not None:
            messages.append({"role": "assistant", "content": answer.text})
        return {**named, "messages": messages, "temperature": 0, "max_tokens": _VERDICT_TOKENS, "stream": False}

    def _flagged(self, results: list[_Result]) -> str | None:
        wanted = self._config.categories
        flagged = any(result.flagged for result in results)
        found = {name for result in results for name, true in result.categories.items() if true}
        if wanted is not None:
            # A misspelt category would otherwise never refuse anything.
            if any(name not in result.categories for result in results for name in wanted):
                raise HookFailed
            found &= set(wanted)
            flagged = bool(found)
        return _reason(",".join(sorted(found))) if flagged else None

    def _verdict(self, said: str) -> str | None:
        lines = said.strip().split("\n", 2)
        verdict = lines[0].strip().lower()
        if verdict == "safe":
            return None
        if verdict != "unsafe":
            raise HookFailed
        found = [name.strip() for name in lines[1].split(",")] if len(lines) > 1 else []
        wanted = self._config.categories
        if wanted is not None and found and not set(found).intersection(wanted):
            return None
        return _reason(",".join(found))


def _reason(text: str) -> str:
    return text if REASON.fullmatch(text) else ""

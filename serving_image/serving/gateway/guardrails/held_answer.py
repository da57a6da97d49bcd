"""Keeps an engine's answer back until it is whole and looked at: what is refused must not be half told already."""

from __future__ import annotations

import time

from serving.gateway import engine_errors
from serving.gateway.context import RequestContext
from serving.gateway.events import EventScanner
from serving.gateway.guardrails.asking import ask_hooks
from serving.gateway.guardrails.hook import HookAnswer, HookRequest
from serving.gateway.guardrails.refusals import refuse, too_large, unavailable
from serving.gateway.guardrails.rules import Guardrails
from serving.gateway.guardrails.texts import text_of_stream, text_of_whole
from serving.gateway.lifeline import Cause
from serving.gateway.relay import send_stream_head
from serving.gateway.upstream import UpstreamAnswer
from serving.gateway.usage import usage_of

_COMMENT = b": checking\n\n"


class AnswerGuard:
    """What looks at the answer to one request."""

    __slots__ = ("_request", "_rules")

    def __init__(self, rules: Guardrails, request: HookRequest) -> None:
        self._rules = rules
        self._request = request

    async def hold(self, context: RequestContext, answer: UpstreamAnswer) -> UpstreamAnswer:
        """The same answer, once all of it is here and may pass. Raises Refusal or UpstreamLost."""
        stream = context.stream and (answer.header("content-type") or b"").startswith(b"text/event-stream")
        pieces = await self._stream(context, answer) if stream else await self._whole(context, answer)
        body = b"".join(pieces)
        await self._judge(context, HookAnswer(text_of_stream(body) if stream else text_of_whole(body), body))
        return HeldAnswer(answer, pieces)

    async def _judge(self, context: RequestContext, answer: HookAnswer) -> None:
        patterns = self._rules.deny_answer
        if patterns is not None:
            try:
                found = patterns.first(answer.text)
            except ValueError:
                raise unavailable(context, "deny_answer_pattern", "") from None
            if found is not None:
                raise refuse(context, "deny_answer_pattern", found, answer=True)
        await ask_hooks(context, self._rules.after, self._request, answer)

    async def _whole(self, context: RequestContext, answer: UpstreamAnswer) -> list[bytes]:
        pieces: list[bytes] = []
        size = 0
        while piece := await answer.read():
            size = self._count(context, size, piece)
            pieces.append(piece)
        usage = usage_of(b"".join(pieces))
        if usage is not None:  # it is to be paid also when it is refused
            context.prompt_tokens, context.output_tokens = usage.prompt_tokens, usage.completion_tokens
        return pieces

    async def _stream(self, context: RequestContext, answer: UpstreamAnswer) -> list[bytes]:
        life = context.lifeline
        scanner = context.scanner = EventScanner()
        pieces: list[bytes] = []
        size = 0
        told_at = time.monotonic()
        while not scanner.done:
            piece = await answer.read()
            if not piece:
                raise engine_errors.lost()
            if not pieces:
                life.phase(Cause.STREAM_IDLE, context.policy.limits.stream_idle_seconds)
            life.heard()
            size = self._count(context, size, piece)
            if not scanner.feed(piece):
                raise engine_errors.malformed()
            pieces.append(piece)
            if time.monotonic() - told_at > self._rules.keep_alive_seconds:
                await _sign_of_life(context)
                told_at = time.monotonic()
        if scanner.usage is not None:
            context.prompt_tokens = scanner.usage.prompt_tokens
            context.output_tokens = scanner.usage.completion_tokens
        return pieces

    def _count(self, context: RequestContext, size: int, piece: bytes) -> int:
        if not context.first_byte_at:
            context.first_byte_at = time.monotonic()
        size += len(piece)
        if size > self._rules.largest_answer_bytes:
            raise too_large(self._rules.largest_answer_bytes)
        return size


class HeldAnswer:
    """An answer given on from memory; what comes behind it, from its engine. See UpstreamAnswer."""

    def __init__(self, answer: UpstreamAnswer, pieces: list[bytes]) -> None:
        self._answer = answer
        self._pieces = iter(pieces)

    @property
    def status(self) -> int:
        """See UpstreamAnswer."""
        return self._answer.status

    def header(self, name: str) -> bytes | None:
        """See UpstreamAnswer."""
        return self._answer.header(name)

    def whole(self) -> bytes | None:
        """See UpstreamAnswer.whole."""
        return None

    async def read(self) -> bytes:
        """See UpstreamAnswer."""
        return next(self._pieces, b"") or await self._answer.read()

    def close(self) -> None:
        """See UpstreamAnswer."""
        self._answer.close()


async def _sign_of_life(context: RequestContext) -> None:
    """A comment, which clients skip: a connection that is silent for long is cut by what stands between."""
    if not context.head_sent:
        await send_stream_head(context, 200)
        context.status = 200
        # It names who answers, so nobody else may from now on.
        context.head_sent = context.bound = True
    context.lifeline.sending = True
    await context.send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
    context.lifeline.sending = False
    context.lifeline.heard()

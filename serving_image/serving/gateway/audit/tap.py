"""A request's place in the audit: what it holds from its admission to its row, and the text that is to be kept."""

from __future__ import annotations

import time
from typing import Protocol

from serving.gateway.asgi import Message, Send
from serving.gateway.facts import RequestFacts


class Recorder(Protocol):
    """What a tap needs of the audit's log."""

    every_row: bool
    kept_bytes: int

    async def record_now(self, context: RequestFacts, duration: float, tap: Tap) -> None:
        """Returns when the row is on disk; raises Refusal when it cannot be."""
        ...


class Plain:
    """Room for one row and nothing more: one for all requests."""

    __slots__ = ()


PLAIN = Plain()


class Tap:
    """Stands between the steps and the client: keeps the text that is to be encrypted, and holds back the end of a
    2xx until its row is on disk where the configuration asks for that."""

    __slots__ = ("_context", "_good", "_held", "_log", "_room", "_send", "answer", "cut", "prompt", "recorded", "size")

    def __init__(self, context: RequestFacts, log: Recorder) -> None:
        self._context = context
        self._log = log
        self._send: Send = context.send
        self._held: Message | None = None
        self._good = False
        self._room = log.kept_bytes
        self.prompt = b""
        self.answer: list[bytes] = []
        self.cut = False
        # Bytes of text held.
        self.size = 0
        # (status, reason) of the row that was written before the answer was complete.
        self.recorded: tuple[int, str] | None = None
        context.wrap_send(self.send)

    def keep_prompt(self, body: bytes) -> None:
        """The request as the client sent it, before any step changes it."""
        if self._log.kept_bytes:
            self.prompt = body[: self._log.kept_bytes]
            self.cut = len(self.prompt) < len(body)
            self.size += len(self.prompt)

    async def send(self, message: Message) -> None:
        """ASGI send."""
        log = self._log
        if message["type"] == "http.response.start":
            self._good = 200 <= message["status"] < 300
            if log.every_row and self._good and not self._context.stream:
                self._held = message  # it may still become a 503
                return
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        if self._room and body:
            self._keep(body)
        if log.every_row and not message.get("more_body") and self._good:
            await self._make_durable()
        if self._held is not None:
            held, self._held = self._held, None
            await self._send(held)
        await self._send(message)

    def _keep(self, body: bytes) -> None:
        piece = body[: self._room]
        self.cut = self.cut or len(piece) < len(body)
        self._room -= len(piece)
        self.size += len(piece)
        self.answer.append(piece)

    async def _make_durable(self) -> None:
        context = self._context
        if self.recorded is not None:
            return
        self.recorded = (context.status, context.reason)
        try:
            await self._log.record_now(context, time.monotonic() - context.started_at, self)
        except Exception:
            if self._held is not None:
                self._held = None
                context.answer_started = False  # nothing of the answer is out
            raise

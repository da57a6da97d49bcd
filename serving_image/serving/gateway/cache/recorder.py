"""Stands between the steps and the client, and keeps what the client got once it is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.gateway.cache.kept import Kept, ends_well
from serving.gateway.cache.response_cache import ResponseCache

if TYPE_CHECKING:
    from serving.gateway.asgi import Header, Message
    from serving.gateway.context import RequestContext

HEADER = b"x-slipway-cache"
_MISS: Header = (HEADER, b"miss")


class Recorder:
    """One answer that was not in the cache."""

    __slots__ = ("_cache", "_content_type", "_context", "_key", "_pieces", "_room", "_send")

    def __init__(self, context: RequestContext, cache: ResponseCache, key: bytes) -> None:
        self._context = context
        self._cache = cache
        self._key = key
        self._send = context.send
        # None: it is not worth keeping.
        self._pieces: list[bytes] | None = None
        self._room = cache.largest_answer_bytes
        self._content_type = b""
        context.wrap_send(self.send)

    async def send(self, message: Message) -> None:
        """ASGI send."""
        if message["type"] == "http.response.start":
            if message["status"] == 200:
                self._pieces = []
                self._content_type = next((value for name, value in message["headers"] if name == b"content-type"), b"")
                message["headers"] = [*message["headers"], _MISS]
            await self._send(message)
            return
        if self._pieces is not None:
            body: bytes = message.get("body", b"")
            self._room -= len(body)
            if self._room < 0:
                self._pieces = None
            else:
                self._pieces.append(body)
        await self._send(message)
        if self._pieces is not None and not message.get("more_body"):
            self._keep(b"".join(self._pieces))

    def _keep(self, body: bytes) -> None:
        context = self._context
        # Not: a stream with signs of life from before its answer; what another model or route answered;
        # and nothing in which personal data was found, so that none outlives its request here.
        if (
            context.head_sent
            or context.boundary is None
            or len(context.labels) != 1
            or context.output_findings
            or not context.cacheable
        ):
            return
        kept = Kept(self._content_type, context.boundary, body)
        if ends_well(kept, context.endpoint):
            self._cache.store.keep(self._key, kept)

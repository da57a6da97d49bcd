"""What is known about one request while it passes through the steps."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any, Protocol

from serving.gateway.asgi import Header, Receive, Scope, Send
from serving.gateway.lifeline import Lifeline
from serving.gateway.policy import Client, Model, Policy
from serving.gateway.upstream import UpstreamClient

_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}")
_PREFIX = secrets.token_hex(8).encode()
_number = 0


class Connection(Protocol):
    """The client's connection, as far as a step may touch it."""

    def abort(self) -> None:
        """Cut it without waiting for unsent bytes."""
        ...


class RequestContext:
    """One request. Steps read and fill it; nothing in it outlives the request, and nothing of it is logged but
    what `journal` names."""

    __slots__ = (
        "answer_started",
        "authorization",
        "body",
        "body_read",
        "client",
        "connection",
        "content_length",
        "document",
        "endpoint",
        "first_byte_at",
        "lifeline",
        "model",
        "output_tokens",
        "policy",
        "prompt_tokens",
        "reason",
        "receive",
        "request_id",
        "scope",
        "send",
        "started_at",
        "status",
        "stream",
        "upstreams",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, policy: Policy, upstreams: UpstreamClient, now: float
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.policy = policy
        self.upstreams = upstreams
        self.started_at = now
        self.first_byte_at = 0.0
        self.connection: Connection | None = scope.get("extensions", {}).get("slipway.connection")
        task = asyncio.current_task()
        assert task is not None
        self.lifeline = Lifeline(task, asyncio.get_running_loop())
        self.endpoint = "unknown"
        self.client: Client | None = None
        self.model: Model | None = None
        self.body = b""
        self.body_read = False
        self.document: dict[str, Any] = {}
        self.stream = False
        self.answer_started = False
        self.status = 0
        self.reason = ""
        self.prompt_tokens = 0
        self.output_tokens = 0
        self.authorization: bytes | None = None
        # Bytes the head announced; -1: a chunked body of unknown length.
        self.content_length = 0
        self.request_id = b""
        self._read_headers(scope["headers"])

    def _read_headers(self, headers: list[Header]) -> None:
        for name, value in headers:
            if name == b"authorization":
                # Two of them are nobody's key: which one counts would differ from hop to hop.
                self.authorization = value if self.authorization is None else b""
            elif name == b"content-length":
                self.content_length = int(value) if value.isdigit() else -1
            elif name == b"transfer-encoding":
                self.content_length = -1
            elif name == b"x-request-id" and _SANE_REQUEST_ID.fullmatch(value):
                self.request_id = value
        if not self.request_id:
            self.request_id = next_request_id()


def next_request_id() -> bytes:
    """Unique over processes by a random prefix, within one by counting: no system call per request."""
    global _number
    _number += 1
    return b"%s-%x" % (_PREFIX, _number)

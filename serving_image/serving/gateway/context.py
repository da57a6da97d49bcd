"""What is known about one request while it passes through the steps."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import TYPE_CHECKING, Protocol

from serving.gateway.asgi import Header, Receive, Scope, Send
from serving.gateway.exchange import Carrier, Exchange
from serving.gateway.facts import RequestFacts
from serving.gateway.lifeline import Lifeline
from serving.gateway.policy import Client, Model, Policy
from serving.gateway.upstream import UpstreamAnswer, UpstreamClient

if TYPE_CHECKING:
    from serving.gateway.audit.tap import Plain, Tap
    from serving.gateway.events import EventScanner
    from serving.gateway.limits.quota import Price, Reservation
    from serving.gateway.limits.usage_filter import UsageFilter
    from serving.gateway.privacy.answer import AnswerTransform
    from serving.gateway.telemetry.trace import Trace

_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,127}")
# What ids begin with that this process gave itself.
OWN_REQUEST_ID = secrets.token_hex(8).encode()
_number = 0


class AnswerGuard(Protocol):
    """Looks at an answer before the client has any of it."""

    async def hold(self, context: RequestContext, answer: UpstreamAnswer) -> UpstreamAnswer:
        """The same answer, once it is whole and may pass. Raises Refusal or UpstreamLost."""
        ...


class RequestContext(RequestFacts):
    """One request. Steps read and fill it; nothing in it outlives the request, and nothing of it is logged but
    what `journal` names."""

    client: Client | None = None
    model: Model | None = None
    # Room for this request's audit row, once it is admitted.
    audit: Plain | Tap | None
    # Personal data found, by kind and what was done; in the answer by kind. What rewrites the answer.
    findings: dict[tuple[str, str], int] | None = None
    output_findings: dict[str, int] | None = None
    transform: AnswerTransform | None = None
    # What looks at the answer before the client has any of it; rules that decided, and how.
    answer_guard: AnswerGuard | None
    guarded: list[tuple[str, str]] | None = None
    body: bytes = b""
    body_read: bool = False
    # A stream's head went out while the request was waiting: what goes wrong from then on is an error event.
    head_sent: bool = False
    # That head named who answers: from then on nobody else is asked.
    bound: bool = False
    # Seconds spent waiting.
    waited: float = 0.0
    # What tokens cost where it went, if it went to the next site and somebody counts it.
    overflow_price: Price | None = None
    # Headers of the answer that say who served it.
    labels: tuple[Header, ...] = ()
    # What is held of the client's quotas until the request ends, and what it is settled by: when the engine was
    # asked, and what was read of its stream.
    reservation: Reservation | None = None
    limit_headers: tuple[Header, ...] = ()
    sent_at: float = 0.0
    scanner: EventScanner | None = None
    usage_filter: UsageFilter | None = None
    # For metrics and traces: `hit` or `miss` where a cache was asked.
    cache_result: str = ""
    # False: something of this request must not outlive it, such as personal data that was found in it.
    cacheable: bool = True
    trace: Trace | None = None
    authorization: bytes | None = None
    # Bytes the head announced; -1: a chunked body of unknown length.
    content_length: int = 0

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, policy: Policy, upstreams: UpstreamClient, now: float
    ) -> None:
        super().__init__(scope, receive, send, now)
        self.policy = policy
        self.upstreams = upstreams
        # Here and not above: compiled, a default of None is left out where the type is one of several.
        self.audit = None
        self.answer_guard = None
        self.connection: Carrier | None = scope.get("extensions", {}).get("slipway.connection")
        # Where the request is our own connection's, its body and its answer need no ASGI messages.
        exchange: Exchange | None = scope.get("slipway.exchange")
        self.exchange = exchange
        self.direct = exchange
        # An exchange knows it; finding out costs 1 µs and a system call (CPython 3.11).
        task = asyncio.current_task() if exchange is None else exchange.task
        assert task is not None
        self.lifeline = Lifeline(task, task.get_loop())
        self._read_headers(scope["headers"])

    def wrap_send(self, send: Send) -> None:
        """Somebody wants to see every message of the answer."""
        self.send = send
        self.direct = None

    def decide(self, decision: str) -> None:
        """Note a policy decision for the audit: a short constant text of ours, with a count at most."""
        if self.decisions is None:
            self.decisions = [decision]
        else:
            self.decisions.append(decision)

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
    return b"%s-%x" % (OWN_REQUEST_ID, _number)

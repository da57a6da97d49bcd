"""What routing and the audit know of a request. RequestContext is one of these and has what steps work with besides.

A class and no protocol: compiled, its fields are found without a search (2026-11: 2 µs of a request).
"""

from __future__ import annotations

from typing import Any

from serving.gateway.asgi import Receive, Scope, Send


class RequestFacts:
    """Names, numbers and times, from the head's arrival to the answer's end."""

    # What is so for most requests is said once for all: some forty assignments per request cost 2 µs (2026-11).
    client_name: str | None = None
    model_name: str | None = None
    model_digest: str | None = None
    # Who within the client, as a token or a certificate says, and by which credential: for audit, never for logs.
    subject: str = ""
    key_id: str = ""
    request_id: bytes = b""
    endpoint: str = "unknown"
    stream: bool = False
    # Where it may go (None: anywhere), and what its conversation is hashed to once somebody asked.
    boundaries: frozenset[str] | None = None
    prefix: tuple[int, int] | None = None
    # Where it went.
    route: str | None = None
    boundary: str | None = None
    decisions: list[str] | None = None
    # It was to go to another site, and stays.
    overflow_kept: bool = False
    answer_started: bool = False
    status: int = 0
    reason: str = ""
    first_byte_at: float = 0.0
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    def __init__(self, scope: Scope, receive: Receive, send: Send, now: float) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.started_at = now
        self.document: dict[str, Any] = {}

    def wrap_send(self, send: Send) -> None:
        """Somebody wants to see every message of the answer."""
        self.send = send

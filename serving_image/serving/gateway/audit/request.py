"""What the audit needs to know of a request: the gateway's context has all of it."""

from __future__ import annotations

from typing import Protocol

from serving.gateway.asgi import Send


class Named(Protocol):
    """A client."""

    name: str


class NamedModel(Protocol):
    """A model."""

    name: str
    digest: str | None


class AuditedRequest(Protocol):
    """A request; what each fact means is said in `RequestContext`."""

    send: Send
    answer_started: bool
    started_at: float
    first_byte_at: float
    request_id: bytes
    endpoint: str
    stream: bool
    status: int
    reason: str
    subject: str
    key_id: str
    route: str | None
    boundary: str | None
    cost: float | None
    decisions: list[str] | None
    prompt_tokens: int
    output_tokens: int

    def wrap_send(self, send: Send) -> None:
        """Put `send` between the steps and the client."""
        ...

    @property
    def client(self) -> Named | None:
        """Who asks; None: nobody known."""
        ...

    @property
    def model(self) -> NamedModel | None:
        """Which model; None: none that this client may use."""
        ...

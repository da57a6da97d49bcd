"""One client's guardrails, compiled when the configuration is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serving.gateway.guardrails.addresses import AllowedAddresses
from serving.gateway.guardrails.config import OnFailure
from serving.gateway.guardrails.hook import HookAnswer, HookRequest
from serving.gateway.guardrails.patterns import DenyPatterns
from serving.gateway.upstream import UpstreamClient


class HookFailed(Exception):
    """A hook gave no judgement."""


class Hook(Protocol):
    """A hook of any kind, ready to be asked."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def on_failure(self) -> OnFailure: ...

    async def judge(self, request: HookRequest, answer: HookAnswer | None, upstreams: UpstreamClient) -> str | None:
        """None: it may pass. Otherwise a reason, which may be empty. Raises HookFailed, or anything."""
        ...


@dataclass(frozen=True, kw_only=True)
class Guardrails:
    """A set of rules. None: no such rule."""

    deny_prompt: DenyPatterns | None = None
    deny_answer: DenyPatterns | None = None
    media: AllowedAddresses | None = None
    tools: AllowedAddresses | None = None
    before: Sequence[Hook] = ()
    after: Sequence[Hook] = ()
    largest_answer_bytes: int = 0
    keep_alive_seconds: float = 0.0

    @property
    def looks_at_answers(self) -> bool:
        """Whether answers must be kept back."""
        return self.deny_answer is not None or bool(self.after)


@dataclass(frozen=True, kw_only=True)
class ClientGuardrails:
    """What is done for one client: its set of rules and its system policy."""

    rules: Guardrails
    system_policy: str | None
    # The rules as they are written: an answer kept under others is not this client's any more.
    written: str = ""


NO_RULES = Guardrails()

"""What an own class must look like to be a guardrail hook, and what it is given.

A class is named in the configuration as `module:Class` and made once per load, without arguments. It needs `before`
to be listed under `before`, `after` to be listed under `after`; both may be in one class.

Both are coroutines, and run in the gateway's one event loop: a hook that computes or blocks (a file, `requests`, a
lock) stops every request of the process for as long, and its time limit cannot end it. Do such work in a thread
(`asyncio.to_thread`) or ask another process. A hook that awaits is cancelled when its time is over or its client left.

Whatever a hook raises counts as a failure of the hook, and `on_failure` says what becomes of the request. The texts
of its exceptions are logged nowhere, because they may quote a prompt; their types and places are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class HookRequest:
    """A request as the model will see it: personal data is replaced already where the client's privacy says so, and
    the client's system policy is not in it. `endpoint` is `chat_completions`, `completions` or `embeddings`; `text`
    is what the model reads as text, `body` the JSON."""

    client: str
    subject: str
    model: str
    endpoint: str
    stream: bool
    text: str
    body: bytes


@dataclass(frozen=True)
class HookAnswer:
    """A whole answer as the model wrote it, before replaced personal data is put back. `text` has the texts of all
    choices and of tool calls; `body` is JSON, or for a stream the events."""

    text: str
    body: bytes


class BeforeHook(Protocol):
    """Looks at a request before it goes to an engine."""

    async def before(self, request: HookRequest) -> str | None:
        """None lets it pass. Otherwise a reason for the audit, of 1 to 64 letters, digits and `. _ - / ,`; any other
        text refuses too, only without a reason. The client is never told it."""
        ...


class AfterHook(Protocol):
    """Looks at an answer before the client has any of it."""

    async def after(self, request: HookRequest, answer: HookAnswer) -> str | None:
        """The same for an answer."""
        ...

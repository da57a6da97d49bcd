"""The `guardrails` part of the configuration file: named sets of rules, shapes only; load.py looks at their sense."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from serving.gateway.strict import Strict

# Names stand in metrics, audit rows and errors.
RuleName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
Pattern = Annotated[str, Meta(min_length=1, max_length=4096)]
Patterns = Annotated[dict[RuleName, Pattern], Meta(max_length=256)]
Address = Annotated[str, Meta(min_length=1, max_length=300)]
Addresses = Annotated[tuple[Address, ...], Meta(max_length=1024)]
Milliseconds = Annotated[float, Meta(gt=0, le=60_000)]
# `pass` lets through what could not be judged; everything else here fails closed.
OnFailure = Literal["refuse", "pass"]
SystemPolicy = Annotated[str, Meta(min_length=1, max_length=65_536)]


class PythonHookConfig(Strict, frozen=True, tag_field="kind", tag="python"):
    """An own class (hook.py says of which shape), `module:Class`, made once per load without arguments.

    `folder` is searched for the module after what is installed.
    """

    implementation: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,255}:[A-Za-z_][A-Za-z0-9_]{0,127}$")]
    folder: str | None = None
    timeout_milliseconds: Milliseconds = 2000.0
    on_failure: OnFailure = "refuse"


class ModerationHookConfig(Strict, frozen=True, tag_field="kind", tag="moderation"):
    """A model that judges texts, asked over HTTP (moderation.py says how).

    `style` is `moderations` for OpenAI's endpoint of that name, `chat` for a chat model that answers `safe` or
    `unsafe` as Llama Guard does. `categories` are the only ones that count; null: all.
    """

    url: str
    style: Literal["moderations", "chat"] = "moderations"
    model: str | None = None
    key_file: str | None = None
    categories: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)] | None = None
    timeout_milliseconds: Milliseconds = 2000.0
    on_failure: OnFailure = "refuse"


HookConfig = PythonHookConfig | ModerationHookConfig
Hooks = Annotated[dict[RuleName, HookConfig], Meta(max_length=16)]


class GuardrailsConfig(Strict, frozen=True):
    """One set of rules. Every field may be left out.

    `deny_patterns` (RE2) look at what the client sent, `deny_answer_patterns` at what the model wrote. The lists of
    addresses say what media in messages and addresses in tool definitions may point to: `HOST`, `*.HOST`,
    `http://HOST:PORT`, and `data:` for media by value; null: anything. Hooks are asked in order.

    An answer that is looked at is kept back until its end, up to `largest_answer_bytes`; a stream meanwhile gets a
    comment whenever `keep_alive_seconds` passed.
    """

    deny_patterns: Patterns = msgspec.field(default_factory=dict[str, str])
    deny_answer_patterns: Patterns = msgspec.field(default_factory=dict[str, str])
    media_hosts: Addresses | None = None
    tool_hosts: Addresses | None = None
    before: Hooks = msgspec.field(default_factory=dict[str, HookConfig])
    after: Hooks = msgspec.field(default_factory=dict[str, HookConfig])
    largest_answer_bytes: Annotated[int, Meta(ge=1)] = 4_194_304
    keep_alive_seconds: Annotated[float, Meta(gt=0, le=600)] = 10.0

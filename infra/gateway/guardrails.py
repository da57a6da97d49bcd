"""Guardrails in the stack file: what clients may not send or get, as named sets of rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from infra.gateway.address import Url, crosses_readable
from infra.gateway.secret import SecretSettings
from infra.settings import Settings

RuleName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$"),
    Field(description="A name: a lower-case letter, then up to 63 lower-case letters, digits or `_`."),
]
# What other syntaxes have and RE2 cannot have, because it would not be linear. The gateway compiles the rest.
_NOT_LINEAR = re.compile(r"\(\?(?:[=!>]|<[=!]|P=|\()|\\[1-9]")
# Where the same characters mean themselves.
_LITERAL = re.compile(r"\\Q.*?\\E|\\[^1-9]|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]", re.DOTALL)
_NAME = r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?"
_HOST = rf"(https?://)?(\*\.)?({_NAME}|\[[0-9A-Fa-f:.]{{2,45}}\])(:[0-9]{{1,5}})?"


def _linear(pattern: str) -> str:
    found = _NOT_LINEAR.search(_LITERAL.sub("", pattern))
    if found is None:
        return pattern
    raise PydanticCustomError(
        "slipway",
        "not RE2",
        {
            "found": f"`{found[0]}` in a regular expression",
            "allowed": "RE2 syntax, which has no look-around and no back-references",
            "remedy": "write the pattern without it",
        },
    )


LinearPattern = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_linear)]
Patterns = Annotated[dict[RuleName, LinearPattern], Field(max_length=256)]
Address = Annotated[str, StringConstraints(pattern=rf"^(data:|{_HOST})$", max_length=300)]
Addresses = Annotated[list[Address], Field(max_length=1024)]
FolderPath = Annotated[str, StringConstraints(pattern=r"^/[^\x00-\x1f{}]+$", max_length=4096)]
OnFailure = Literal["refuse", "pass"]
_TIMEOUT: Any = Field(default=2000, ge=1, le=60_000, description="How long to wait for its judgement, in milliseconds.")
_ON_FAILURE: Any = Field(
    default="refuse",
    description="Without a judgement in time `refuse` stops the text, `pass` lets it through; the plan warns of it.",
)


class PythonHookSettings(Settings):
    """An own class that the gateway imports; `serving/gateway/guardrails/hook.py` says of which shape."""

    kind: Literal["python"] = Field(description="An own class in the gateway's process.")
    implementation: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,255}:[A-Za-z_][A-Za-z0-9_]{0,127}$",
        description="The class, as `module:Class`.",
    )
    folder: FolderPath | None = Field(
        default=None,
        description="Absolute path of a folder with the module, on the machine that serves; unset, it is installed.",
    )
    timeout_milliseconds: float = _TIMEOUT
    on_failure: OnFailure = _ON_FAILURE


class ModerationHookSettings(Settings):
    """A model that judges texts, asked over HTTP."""

    kind: Literal["moderation"] = Field(description="A model that judges texts, such as Llama Guard.")
    url: Url = Field(description="The endpoint with its path, such as http://127.0.0.1:8000/v1/chat/completions.")
    style: Literal["moderations", "chat"] = Field(
        default="moderations",
        description="`moderations` for an endpoint as OpenAI's of that name, `chat` for a chat model that answers "
        "`safe` or `unsafe`.",
    )
    model: str | None = Field(default=None, min_length=1, description="The model to name; `chat` needs one.")
    key: SecretSettings | None = Field(default=None, description="The endpoint's key; unset, none is shown.")
    categories: list[str] | None = Field(
        default=None, min_length=1, max_length=64, description="The only categories that count; unset, all of them."
    )
    timeout_milliseconds: float = _TIMEOUT
    on_failure: OnFailure = _ON_FAILURE


AnyHook = Annotated[PythonHookSettings | ModerationHookSettings, Field(discriminator="kind")]
Hooks = Annotated[dict[RuleName, AnyHook], Field(max_length=16)]


class GuardrailSettings(Settings):
    """One set of rules. What is unset is not looked at."""

    deny_patterns: Patterns = Field(
        default_factory=dict, description="By name: regular expressions (RE2 syntax) that no prompt may match."
    )
    deny_answer_patterns: Patterns = Field(
        default_factory=dict, description="The same for answers, which are then kept back until they are whole."
    )
    media_hosts: Addresses | None = Field(
        default=None,
        description="Where images, sound and files may be: `HOST`, `*.HOST`, `http://HOST:PORT`, and `data:` for those "
        "by value; unset, anywhere.",
    )
    tool_hosts: Addresses | None = Field(
        default=None, description="Where addresses in tools' definitions may point to; unset, anywhere."
    )
    before: Hooks = Field(
        default_factory=dict, description="Who is asked before a prompt goes to a model, by name, in this order."
    )
    after: Hooks = Field(
        default_factory=dict,
        description="Who is asked before an answer goes to the client; it is kept back until then.",
    )
    largest_answer_bytes: int = Field(
        default=4_194_304, ge=1024, le=1_073_741_824, description="The longest answer that is kept back, in bytes."
    )
    keep_alive_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=600,
        description="How often a stream whose answer is kept back shows a sign of life, in seconds.",
    )


def guardrail_warnings(sets: Mapping[str, GuardrailSettings]) -> Iterator[str]:
    """Hooks that let pass what they could not judge, and those to which texts go readable."""
    for name, rules in sets.items():
        for place, hooks in (("before", rules.before), ("after", rules.after)):
            for hook, settings in hooks.items():
                if settings.on_failure == "pass":
                    yield (
                        f"guardrails `{name}`: what the hook `{hook}` cannot judge passes "
                        f"(`{place}.{hook}.on_failure: pass`)"
                    )
                if isinstance(settings, ModerationHookSettings) and crosses_readable(settings.url):
                    yield (
                        f"guardrails `{name}`: the hook `{hook}` is asked over plain HTTP ({settings.url}): "
                        "what goes there crosses the network readable"
                    )

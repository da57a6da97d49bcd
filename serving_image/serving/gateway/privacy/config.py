"""The `privacy` part of the configuration file and of a client: shapes only; load.py looks at their sense."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from serving.gateway.strict import Strict

Mode = Literal["off", "tokenise", "mask", "block"]
Name = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
# The name becomes a placeholder's label, so its length bounds what a stream holds back.
KindName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{1,23}$")]
Pattern = Annotated[str, Meta(min_length=1, max_length=4096)]
KindModes = Annotated[dict[str, Mode], Meta(max_length=256)]


class NamesConfig(Strict, frozen=True):
    """A list of names (people, projects, customers): a text file with one per line, read at load."""

    file: str
    ignore_case: bool = True


class RecogniserConfig(Strict, frozen=True):
    """A recogniser outside this process (named entities), asked over HTTP before a request is forwarded.

    Fails closed: no answer within `seconds`, one that breaks the contract, or more than `concurrent_requests` at a
    time means that the request is refused; so does more text than `largest_text_bytes`.
    """

    url: str
    kinds: Annotated[tuple[KindName, ...], Meta(min_length=1, max_length=32)]
    largest_text_bytes: Annotated[int, Meta(ge=1)] = 65_536
    largest_answer_bytes: Annotated[int, Meta(ge=1)] = 1_048_576
    seconds: Annotated[float, Meta(gt=0, le=60)] = 1.0
    concurrent_requests: Annotated[int, Meta(ge=1, le=1024)] = 8


class PrivacyConfig(Strict, frozen=True):
    """What all clients share. Every field may be left out.

    `key_file` holds the secret that placeholders are made with; with the same one in every gateway and after a
    restart the same value keeps its placeholder. Without it a new one is drawn when the process starts.
    `scan_milliseconds` and the two sizes are limits above which a request or an answer is refused, not passed.
    `output_window_bytes` is how much of a streamed answer `scan_output` holds back.
    """

    key_file: str | None = None
    largest_text_bytes: Annotated[int, Meta(ge=1)] = 4_194_304
    scan_milliseconds: Annotated[float, Meta(gt=0, le=60_000)] = 500.0
    largest_answer_bytes: Annotated[int, Meta(ge=1)] = 16_777_216
    output_window_bytes: Annotated[int, Meta(ge=64, le=65_536)] = 256
    names: Annotated[dict[KindName, NamesConfig], Meta(max_length=32)] = msgspec.field(
        default_factory=dict[str, NamesConfig]
    )
    patterns: Annotated[dict[KindName, Pattern], Meta(max_length=64)] = msgspec.field(default_factory=dict[str, str])
    recogniser: RecogniserConfig | None = None


class RuleConfig(Strict, frozen=True):
    """`mode` for every kind that `kinds` does not name."""

    mode: Mode = "off"
    kinds: KindModes = msgspec.field(default_factory=dict[str, Mode])


class ClientPrivacyConfig(Strict, frozen=True):
    """How one client's requests and answers are treated.

    `boundaries` are rules for models that may run elsewhere (an upstream's `boundary`); a model that can be served
    from several places gets, kind by kind, the strictest. `scan_output` looks at what the model itself writes.
    `media`: images, sound and files cannot be scanned; `allow` lets them pass all the same.
    """

    mode: Mode = "off"
    kinds: KindModes = msgspec.field(default_factory=dict[str, Mode])
    boundaries: Annotated[dict[Name, RuleConfig], Meta(max_length=64)] = msgspec.field(
        default_factory=dict[str, RuleConfig]
    )
    scan_output: Literal["off", "mask", "block"] = "off"
    media: Literal["refuse", "allow"] = "refuse"

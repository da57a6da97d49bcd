"""What one trial is told: whom to ask, as whom, and what must hold. The file is JSON; unknown fields are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from serving.gateway.strict import Strict

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]


class Case(Strict, frozen=True):
    """One question; its answer is right when it has every text of `contains`, whatever their case, and `matches`
    (a regular expression) somewhere."""

    prompt: str
    contains: tuple[str, ...] = ()
    matches: str | None = None
    max_tokens: Count = 64


class Prompts(Strict, frozen=True, tag="prompts", tag_field="kind"):
    """Questions with checks. Passed when that many of a hundred are right."""

    cases: dict[str, Case]
    at_least_percent: Percent


class Bounds(Strict, frozen=True, kw_only=True):
    """How long a load lasts and what must hold. Times must hold for that many of a hundred; unset ones are only
    measured."""

    seconds: Positive
    percentile: Percent = 95
    at_most_errors_percent: Percent = 0
    time_to_first_token_seconds: Positive | None = None
    time_per_output_token_milliseconds: Positive | None = None


class Load(Bounds, frozen=True, kw_only=True, tag="load", tag_field="kind"):
    """Requests of one size for so many seconds: coming in at a rate (one after another at random moments, whether or
    not earlier ones have ended), or from so many users who each ask again at once."""

    input_tokens: Count
    output_tokens: Count
    requests_per_second: Positive | None = None
    concurrent_users: Count | None = None


class Arrival(NamedTuple):
    """One request of an open load: when it is sent, in seconds since the beginning, and how long it is."""

    at: float
    input_tokens: int
    output_tokens: int


class Trace(Bounds, frozen=True, kw_only=True, tag="trace", tag_field="kind"):
    """Requests as they were recorded: of each, in their order, milliseconds since the beginning, tokens of its prompt
    and of its longest answer, as `0 374 44,4315 396 109`. `recorded` says of which recording, for a reader."""

    arrivals: Annotated[str, Meta(pattern=r"^[0-9]{1,12} [0-9]{1,8} [0-9]{1,8}(,[0-9]{1,12} [0-9]{1,8} [0-9]{1,8})*$")]
    recorded: str = ""

    @property
    def sent(self) -> Iterator[Arrival]:
        """Each of them."""
        for one in self.arrivals.split(","):
            at, asked, answered = one.split(" ")
            yield Arrival(int(at) / 1e3, int(asked), max(1, int(answered)))


class GuideLlm(Load, frozen=True, tag="guidellm", tag_field="kind"):
    """A load that GuideLLM has put: what it has left is held to the same bounds."""


class LmEvaluationHarness(Strict, frozen=True, tag="lm_evaluation_harness", tag_field="kind"):
    """Tasks that the harness has asked: by task and metric, what that must at least be."""

    tasks: dict[str, dict[str, float]]


class TrialConfig(Strict, frozen=True):
    """`url` is the origin; `key_file` has the key of the client that asks; `ca_file` the certificate that the origin
    shows, where no authority of this machine vouches for it. `about` goes into the record as it is: what was tried.
    `results` is the folder in which a tool has left its own, and then nobody is asked."""

    url: str
    model: str
    key_file: str
    trial: Prompts | Load | Trace | GuideLlm | LmEvaluationHarness
    ca_file: str | None = None
    answer_seconds: Positive = 120
    seed: int = 0
    results: str | None = None
    about: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Unusable(Exception):
    """The configuration cannot be used; the text says why, in one line, and repeats no value."""


def read(path: Path) -> TrialConfig:
    """The configuration in a file. Raises Unusable."""
    try:
        config = msgspec.json.decode(path.read_bytes(), type=TrialConfig)
    except (OSError, msgspec.MsgspecError) as why:
        raise Unusable(f"{path}: {why}") from None
    checked(config, f"{path}")
    return config


def checked(config: TrialConfig, where: str) -> None:
    """What types alone cannot tell. Raises Unusable."""
    trial = config.trial
    if isinstance(trial, GuideLlm | LmEvaluationHarness) and config.results is None:
        raise Unusable(f"{where}: no folder of results, and nobody to ask in the tool's stead")
    if isinstance(trial, Load):
        if (trial.requests_per_second is None) == (trial.concurrent_users is None):
            raise Unusable(f"{where}: one of requests_per_second and concurrent_users is needed, not both")
    elif isinstance(trial, Prompts):
        if not trial.cases:
            raise Unusable(f"{where}: no case")
        for name, case in trial.cases.items():
            try:
                re.compile(case.matches or "")
            except re.error as why:
                raise Unusable(f"{where}: case {name}: matches is no regular expression: {why}") from None

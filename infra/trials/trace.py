"""Load test `trace`: requests as they were recorded somewhere, each at its moment and as long as it was."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from infra.catalog.traces import PUBLISHED, Request, Trace, Unreadable, published, read
from infra.plan.trial_types import ToolPlan
from infra.problems import Problem
from infra.settings import RelativePath
from infra.trials.base import Tried
from infra.trials.loads import LoadSettings, bounds, holding

ROOT = Path(__file__).resolve().parents[2]
# What whoever runs it is told is a ConfigMap in a cluster, and no larger than 1 MiB: so many are 270 kB at most.
MOST_REQUESTS = 10_000
# A prompt is only about as long as it is asked to be, and one that is too long would be refused.
CONTEXT_USED = 0.95


class TraceSettings(LoadSettings):
    """Requests of a recording, a part of it, at its own pace or at another."""

    kind: Literal["trace"] = Field(description="Requests as they were recorded, with their moments and lengths.")
    recorded: Literal["azure_2023_conversation", "azure_2023_code"] | None = Field(
        default=None,
        description="An hour of one of two services at Azure on 2023-11-16 (CC BY 4.0, "
        "`infra/catalog/traces/README.md`); or `file`.",
    )
    file: RelativePath | None = Field(
        default=None,
        description="A recording of your own below the checkout: CSV with `seconds` (or `TIMESTAMP`), `input_tokens` "
        "and `output_tokens`, packed where it ends in `.gz`; or `recorded`.",
    )
    offset_seconds: float = Field(
        default=0.0, ge=0, le=31_536_000, description="Where in the recording it begins, in seconds from its start."
    )
    load_factor: float = Field(
        default=1.0,
        ge=0.001,
        le=1000,
        description="How many times as fast as they were recorded requests come: `2` is twice the load.",
    )

    _trace: Trace | Unreadable | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Reads the recording, as part of the configuration."""
        if self.file is not None and self.recorded is None:
            self._trace = read(ROOT / self.file)
        elif self.recorded is not None and self.file is None:
            self._trace = published(self.recorded)

    @property
    def trace(self) -> Trace | Unreadable | None:
        """The recording; None where none or two are named."""
        return self._trace

    @property
    def name(self) -> str:
        """Of the recording."""
        return self.recorded or self.file or ""

    @cached_property
    def window(self) -> Sequence[Request]:
        """Its part, with moments from when the test begins. As many as there are, however many that is."""
        if not isinstance(self._trace, Trace):
            return ()
        rows, begins = self._trace.requests, self.offset_seconds
        first = bisect_left(rows, begins, key=lambda one: one.at)
        last = bisect_left(rows, begins + self.seconds * self.load_factor, key=lambda one: one.at)
        return [one._replace(at=(one.at - begins) / self.load_factor) for one in rows[first:last]]


class TraceLoad:
    """Implements the load test `trace`."""

    settings = TraceSettings

    def problems(self, where: str, settings: TraceSettings, model: Tried) -> Iterator[Problem]:
        trace = settings.trace
        if trace is None:
            both = settings.file is not None
            yield Problem(
                where=where,
                found="both of `recorded` and `file`" if both else "no recording: neither `recorded` nor `file`",
                allowed="one of them",
                remedy="remove one of them" if both else f"add `recorded: {next(iter(PUBLISHED))}`, or a `file`",
            )
        elif isinstance(trace, Unreadable):
            yield Problem(where=f"{where}.file", found=trace.found, allowed=trace.allowed, remedy=trace.remedy)
        elif not settings.window:
            ends, lasts = trace.requests[-1].at, settings.seconds * settings.load_factor
            yield Problem(
                where=f"{where}.offset_seconds",
                found=f"no request from {settings.offset_seconds:g} s on for {lasts:g} s",
                allowed=f"a part of `{settings.name}` that has requests; it has {len(trace.requests)} in {ends:.0f} s",
                remedy="begin earlier, or send for longer",
            )

    def requests_per_minute(self, settings: TraceSettings, model: Tried) -> float | None:
        """In the minute that has most."""
        times = [one.at for one in settings.window[:MOST_REQUESTS]]
        return float(max((bisect_left(times, at + 60) - index for index, at in enumerate(times)), default=0))

    def trial(self, settings: TraceSettings, model: Tried) -> Mapping[str, Any]:
        window = settings.window
        sent = [_within(one, model) for one in window[:MOST_REQUESTS]]
        cut_off = len(window) > len(sent)
        return {
            "kind": "trace",
            "seconds": sent[-1].at if cut_off else settings.seconds,
            "arrivals": ",".join(f"{one.at * 1e3:.0f} {one.input_tokens} {one.output_tokens}" for one in sent),
            "recorded": "; ".join(_recorded(settings, window, sent)),
            **bounds(settings, model.objective),
        }

    def tool(self, settings: TraceSettings, model: Tried) -> ToolPlan | None:
        return None

    def holds(self, trial: Mapping[str, Any]) -> tuple[str, ...]:
        return holding(trial)


def _within(one: Request, model: Tried) -> Request:
    """As much of it as the model takes."""
    output = max(1, min(one.output_tokens, model.longest_answer_tokens, model.context_tokens - 1))
    most = max(1, int(CONTEXT_USED * (model.context_tokens - output)))
    return Request(one.at, max(1, min(one.input_tokens, most)), output)


def _recorded(settings: TraceSettings, window: Sequence[Request], sent: Sequence[Request]) -> Iterator[str]:
    """For a reader of the plan and of the record: what is replayed, and what of it is not as it was."""
    trace = settings.trace
    digest = trace.sha256[:12] if isinstance(trace, Trace) else ""
    ends = settings.offset_seconds + settings.seconds * settings.load_factor
    yield (
        f"{len(sent)} requests of {settings.name} (sha256 {digest}), {settings.offset_seconds:g} to {ends:g} s, "
        f"× {settings.load_factor:g}"
    )
    if len(window) > len(sent):
        yield f"cut off after {len(sent)} of {len(window)}, at {sent[-1].at:.0f} of {settings.seconds:g} s"
    shorter = sum(
        before.input_tokens > after.input_tokens or before.output_tokens > after.output_tokens
        for before, after in zip(window, sent, strict=False)
    )
    if shorter:
        yield f"{shorter} of them shortened to what the model takes"


TRACE = TraceLoad()

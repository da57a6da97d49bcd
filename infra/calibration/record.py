"""A load test's record beside the plan: what is estimated for that very load, and what is worth keeping of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.calibration.config import CalibrationSettings, ran_on
from infra.config import ModelSettings
from infra.plan.fit import Fit, fit, judged
from infra.plan.model_cards import short_version
from infra.plan.plan_data import mapping, number, text, whole
from infra.problems import Problem
from infra.sizing.types import Objective, Performance, Workload
from infra.sources import SOURCES

# Of fewer, a tenth is a handful.
LEAST_REQUESTS = 100
MOST_ERRORS_PERCENT = 1.0
_FIRST, _EACH = "time_to_first_token_seconds", "time_per_output_token_milliseconds"
_AGAIN = "run the load test again, with `make trial`"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A record, read without trust, of a model that so many replicas served."""

    record: Mapping[str, Any]
    settings: ModelSettings
    replicas: int

    @property
    def at_once(self) -> float | None:
        """Requests that one replica had open, on average."""
        together = number(self.record, "figures", "requests_in_flight")
        return together and together / self.replicas

    @property
    def workload(self) -> Workload | None:
        """Of one replica; None where nothing was answered, or nobody counted."""
        asked, answered = (number(self.record, "figures", f"{way}_tokens") for way in ("input", "output"))
        if not (self.at_once and asked and answered):
            return None
        return Workload(
            input_tokens=max(1, round(asked)),
            output_tokens=max(1, round(answered)),
            concurrency=max(1, round(self.at_once)),
        )


def estimated(measured: Measured, *, calibrated: bool = True) -> Performance | None:
    """What is estimated of one replica at the load that was measured; None where nothing is."""
    sized, workload = fit(measured.settings), measured.workload
    if not isinstance(sized, Fit) or workload is None:
        return None
    shape = sized.sized.shape if calibrated else replace(sized.sized.shape, calibration=None)
    return judged(shape, workload, Objective()).sized.performance


def problems(where: str, measured: Measured) -> Iterator[Problem]:
    """Why this record says nothing of how fast a replica is."""
    record, settings = measured.record, measured.settings
    if text(record, "kind") != "load" or measured.workload is None or not _percentiles(record, _EACH):
        yield Problem(
            where=where,
            found="no record of a load test with times between tokens and requests in flight",
            allowed="a record that this version's `make trial` has made, of answers of two tokens and more",
            remedy=_AGAIN,
        )
        return
    about = mapping(record, "about")
    planned = {
        "version": short_version(SOURCES[settings.source.kind].weights(settings.source)),
        "engine": settings.engine.kind,
        "ran_on": ran_on(settings.accelerator),
    }
    if other := [name for name, value in planned.items() if about.get(name) != value]:
        yield Problem(
            where=where,
            found="measured of something else: " + ", ".join(f"{name} {about.get(name)}" for name in other),
            allowed=", ".join(f"{name} {planned[name]}" for name in other) + ", as the stack file has it",
            remedy=f"deploy what is planned, and {_AGAIN}",
        )
    if (requests := whole(record, "figures", "requests")) < LEAST_REQUESTS:
        yield Problem(
            where=f"{where}, figures.requests",
            found=f"{requests} requests",
            allowed=f"{LEAST_REQUESTS} or more: percentiles of fewer are chance",
            remedy=f"raise `seconds` of the load test, and {_AGAIN}",
        )
    if (failed := number(record, "figures", "errors_percent") or 0.0) > MOST_ERRORS_PERCENT:
        yield Problem(
            where=f"{where}, figures.errors_percent",
            found=f"{failed:g} % failed",
            allowed=f"{MOST_ERRORS_PERCENT:g} % at most: those that failed are in no time that was measured",
            remedy=f"mend what failed, and {_AGAIN}",
        )
    if (open_requests := measured.at_once or 0.0) > (most := _most_at_once(measured)):
        yield Problem(
            where=f"{where}, figures.requests_in_flight",
            found=f"{open_requests:.1f} requests open at once for each replica: more came than it runs, and waited",
            allowed=f"up to {most}, which its `concurrent_requests` and its KV cache let run",
            remedy=f"lower the test's load, and {_AGAIN}",
        )


def _most_at_once(measured: Measured) -> int:
    """Of requests of that size on one replica; the rest waits, and is slow for no fault of the replica's."""
    most, speed, workload = measured.settings.concurrent_requests, estimated(measured), measured.workload
    full = speed is not None and workload is not None and speed.batch < workload.concurrency
    return min(most, speed.batch) if speed is not None and full else most


def calibration(measured: Measured) -> CalibrationSettings:
    """The settings for the stack file, of a record without problems."""
    record, workload = measured.record, measured.workload
    assert workload is not None
    first, each = _percentiles(record, _FIRST), _percentiles(record, _EACH)
    return CalibrationSettings(
        measured_at=text(record, "at") or "",
        measured_requests=whole(record, "figures", "requests"),
        ran_on=text(record, "about", "ran_on") or "",
        engine=text(record, "about", "engine") or "",
        engine_version=text(record, "about", "engine_version"),
        concurrent_requests=round(measured.at_once or 0.0, 3),
        input_tokens=workload.input_tokens,
        output_tokens=workload.output_tokens,
        time_per_output_token_milliseconds=each["50"],
        spread_percent=round(100 * max(each["90"] / each["50"] - 1, 1 - each["10"] / each["50"]), 1),
        fast_first_token_milliseconds=round(first["10"] * 1e3, 1),
        slow_first_token_milliseconds=round(first["90"] * 1e3, 1),
    )


def _percentiles(record: Mapping[str, Any], name: str) -> dict[str, float]:
    """The three that count; empty where one is missing."""
    found = {percent: number(record, "curves", name, percent) for percent in ("10", "50", "90")}
    return {percent: value for percent, value in found.items() if value} if all(found.values()) else {}

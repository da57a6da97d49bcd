"""What the plan estimates of the load that a test has measured: by itself, and once it follows what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.calibration.record import Measured, calibration, estimated, problems
from infra.config import ModelSettings
from infra.records.load_picture import Speed
from infra.records.reading import Record
from infra.sizing.types import Performance


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Beside the last record that says how fast a replica is, or the last of all. `note` is why nothing more is
    known."""

    record: Record
    before: Speed
    after: Speed
    note: str = ""


def calibrated(
    name: str, records: Sequence[Record], settings: ModelSettings | None, replicas: int | None
) -> Calibrated:
    """Of the records of one load test, the oldest first. `replicas` is None where the plan has a range of them."""
    if settings is None or replicas is None:
        again = f'how many replicas there were: `make calibrate ONLY={name} ARGS="--replicas N"`'
        return _beside(records[-1], None, None, "the stack has no such model" if settings is None else again)
    tried = [Measured(record=one.data, settings=settings, replicas=replicas) for one in records]
    wrong = [next(problems(name, one), None) for one in tried]
    usable = [index for index, problem in enumerate(wrong) if problem is None]
    index = usable[-1] if usable else len(tried) - 1
    own, problem = estimated(tried[index], calibrated=False), wrong[index]
    if problem or own is None:
        note = f"not used: {problem.found}" if problem else "the plan knows no speed of it, and shows what was measured"
        return _beside(records[index], own, None, note, replicas)
    follows = settings.model_copy(update={"calibration": calibration(tried[index])})
    after = estimated(Measured(record=records[index].data, settings=follows, replicas=replicas))
    return _beside(records[index], own, after, "", replicas)


def _beside(
    record: Record, own: Performance | None, after: Performance | None, note: str, replicas: int = 1
) -> Calibrated:
    return Calibrated(
        record=record,
        before=_speed("the plan", "c2", own, replicas),
        after=_speed("calibrated", "c3", after, replicas),
        note=note,
    )


def _speed(name: str, style: str, known: Performance | None, replicas: int) -> Speed:
    if known is None:
        return Speed(name=name, style=style, first_token_ms=None, each_token_ms=None, tokens_per_second=None)
    each, together = known.time_per_output_token_ms, replicas * known.output_tokens_per_second
    return Speed(
        name=name,
        style=style,
        first_token_ms=(known.time_to_first_token_ms_low, known.time_to_first_token_ms_high),
        each_token_ms=(each, each),
        tokens_per_second=(together, together),
    )

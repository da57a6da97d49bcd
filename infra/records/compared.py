"""Records as pictures: the last of each version beside the others, with what had to hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra.config import StackConfig
from infra.records.calibrated import Calibrated
from infra.records.load_picture import Speed
from infra.records.load_picture import picture as load_picture
from infra.records.reading import LOAD, MAKING, Record, newest_of_each
from infra.records.versions_picture import MOST_VERSIONS, Column
from infra.records.versions_picture import picture as versions_picture
from infra.report.pictures.svg import Picture

_MEBIBYTE = 1 << 20
_PERCENT = "Right answers, percent"
_LOST, _RIGHT = "right answers lost,", "right answers, "


def by_name(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Those of each trial or making."""
    found: dict[str, list[Record]] = {}
    for one in records:
        found.setdefault(one.name, []).append(one)
    return found


def pictures(config: StackConfig, records: Sequence[Record], planned: Mapping[str, Calibrated]) -> Iterator[Picture]:
    """One of each making, evaluation and load test."""
    for name, found in by_name([one for one in records if one.kind == MAKING]).items():
        yield versions_picture(f"{name}: made of what serves", _PERCENT, [*made(config, found)], 100)
    for name, found in by_name([one for one in records if one.kind not in (LOAD, MAKING)]).items():
        yield from _tried(config, f"{name}: over versions", newest_of_each(found, MOST_VERSIONS))
    for name, found in by_name([one for one in records if one.kind == LOAD]).items():
        measured = [speed(one) for one in newest_of_each(found, MOST_VERSIONS)]
        estimates = [one for one in (planned[name].before, planned[name].after) if one.each_token_ms]
        title = f"{name}: {'measured beside the plan' if estimates else 'measured, over versions'}"
        yield load_picture(title, [*estimates[:1], *measured, *estimates[1:]])


def _tried(config: StackConfig, title: str, records: Sequence[Record]) -> Iterator[Picture]:
    """One of each figure that had to hold."""
    for what in dict.fromkeys(what for one in records for what, _, _ in one.verdicts):
        columns = [_column(config, one, what) for one in records]
        if what.startswith(_RIGHT):
            yield versions_picture(title, _PERCENT, columns, 100)
        else:
            yield versions_picture(title, what, columns)


def speed(record: Record) -> Speed:
    """What most requests of a load test had: without the fastest and the slowest tenth."""
    each = record.figure("figures", "output_tokens_per_second")
    first = [record.figure("curves", "time_to_first_token_seconds", at) for at in ("10", "90")]
    token = [record.figure("curves", "time_per_output_token_milliseconds", at) for at in ("10", "90")]
    return Speed(
        name=record.version,
        style="c1",
        first_token_ms=(1e3 * first[0], 1e3 * first[1]) if first[0] is not None and first[1] is not None else None,
        each_token_ms=(token[0], token[1]) if token[0] is not None and token[1] is not None else None,
        tokens_per_second=None if each is None else (each, each),
    )


def _column(config: StackConfig, record: Record, what: str) -> Column:
    measured, allowed = next(((m, a) for said, m, a in record.verdicts if said == what), (None, None))
    asked = record.trial if what.startswith(_RIGHT) else ""
    return Column(
        version=record.version,
        measured=_share(measured),
        allowed=_share(allowed),
        cases=_cases(config, record, asked, record.figure("figures", "cases"), record.wrong()),
    )


def made(config: StackConfig, records: Sequence[Record]) -> Iterator[Column]:
    """The original, as the last of them measured it, and the results of all."""
    newest = newest_of_each([*records], MOST_VERSIONS - 1)
    for record, side in [(newest[-1], "original"), *((one, "result") for one in newest)]:
        bytes_there = record.figure(side, "bytes")
        result = side == "result"
        yield Column(
            version=record.version if result else "original",
            measured=record.figure(side, "right_percent"),
            allowed=asked_for(record) if result else None,
            mebibytes=None if bytes_there is None else bytes_there / _MEBIBYTE,
            cases=_cases(config, record, evaluation(config, record), record.figure(side, "cases"), record.wrong(side)),
            more=(_spent(record) + ("" if record.passed else ", not kept")) if result else "",
        )


def asked_for(record: Record) -> float | None:
    """How many of a hundred answers of a result had to be right."""
    original = record.figure("original", "right_percent") or 0.0
    least = [
        original - allowed if what.startswith(_LOST) else allowed
        for what, _, allowed in record.verdicts
        if what.startswith((_LOST, _RIGHT))
    ]
    return _share(max(least, default=None))


def epsilon(record: Record) -> float | None:
    """What a teaching with differential privacy has told of each line at most."""
    return record.figure("taught", "epsilon_spent")


def _spent(record: Record) -> str:
    spent = epsilon(record)
    return "" if spent is None else f", epsilon {spent:.3g}"


def evaluation(config: StackConfig, record: Record) -> str:
    """By which a making is judged, as the stack file has it now."""
    model = config.models.get(record.model)
    settings = model and {"optimisation": model.optimisation, "refresh": model.refresh}.get(record.trial)
    return settings.evaluation if settings else ""


def _cases(
    config: StackConfig, record: Record, asked: str, count: float | None, wrong: Sequence[str]
) -> dict[str, bool]:
    """A record names wrong ones only: which others there were is known where the stack file still has as many, all
    wrong ones among them."""
    model = config.models.get(record.model)
    known = [*getattr(model.evaluations.get(asked), "cases", ())] if model else []
    if not asked or len(known) != count or not set(wrong) <= {*known}:
        return dict.fromkeys(wrong, False)
    return {case: case not in wrong for case in known}


def _share(value: float | None) -> float | None:
    return None if value is None else max(0.0, value)

"""Records as tables, in the order in which a reader asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten

from infra.records.calibrated import Calibrated
from infra.records.compared import asked_for, epsilon, speed
from infra.records.load_picture import PANELS, said
from infra.records.reading import LOAD, MAKING, Record
from infra.report.section import Row, Section, Table

_MEBIBYTE = 1 << 20
_NONE = "-"
# What an engine said while it did not start is long.
_WHY = 120
MAKERS = {
    "trials": "no evaluation: `evaluations` of a model, then `make trial`",
    "made": "no version was made: `make optimise`, `make refresh`",
    "load": "no load test: `load_test` of a model, then `make trial`",
}


def sections(records: Sequence[Record], planned: Mapping[str, Calibrated]) -> Iterator[Section]:
    """Only of what there is, and how the rest comes to be."""
    newest = [*reversed(records)]
    found = {
        "trials": [one for one in newest if one.kind not in (LOAD, MAKING)],
        "made": [one for one in newest if one.kind == MAKING],
        "load": [one for one in newest if one.kind == LOAD],
    }
    if rows := [row for one in found["trials"] for row in _evaluation(one)]:
        header = ("evaluation", "version", "at", "what must hold", "measured", "allowed", "not right", "passed")
        yield _section("evaluations", "Evaluations", "`make trial`; the newest first", header, rows)
    if rows := [_made(one) for one in found["made"]]:
        header = ("making", "version", "at", "MiB", "of", "right %", "of the original", "asked for", "alike %",
                  "epsilon", "registered")  # fmt: skip
        note = "`make optimise`, `make refresh`; beside the original on the same questions"
        yield _section("made", "Versions made", note, header, rows)
    if rows := [_load(one) for one in found["load"]]:
        header = ("load test", "version", "at", "requests", "answers/s", "tokens/s", "first token, ms", "ms/token",
                  "failed %", "passed")  # fmt: skip
        note = "`make trial`; times are those that half of the requests, and 95 %, had at most"
        yield _section("load", "Load tests", note, header, rows)
    if rows := [row for name, one in planned.items() for row in _calibrated(name, one)]:
        header = ("load test", "figure", "the plan", "measured", "calibrated", "note")
        note = "the plan's estimate of that very load, and once `make calibrate`'s lines are in the stack file"
        yield _section("calibration", "Calibration", note, header, rows)
    if missing := [MAKERS[name] for name, there in found.items() if not there]:
        yield Section(name="missing", title="Not there yet", lines=tuple(missing))


def _section(name: str, title: str, note: str, header: Row, rows: list[Row]) -> Section:
    return Section(name=name, title=title, note=note, tables=(Table(header=header, rows=rows),))


def _evaluation(record: Record) -> Iterator[Row]:
    # What benchmarks ask is not named.
    wrong = ", ".join(record.wrong()) or (_NONE if record.figure("figures", "cases") is None else "none")
    for what, measured, allowed in record.verdicts:
        yield (
            *(record.name, record.version, _moment(record), what, _figure(measured), _figure(allowed)),
            *(wrong, _passed(record)),
        )


def _made(record: Record) -> Row:
    sizes = [record.figure(side, "bytes") for side in ("result", "original")]
    why = record.data.get("why")
    return (
        *(record.name, record.version, _moment(record)),
        *(_figure(size and round(size / _MEBIBYTE, 1)) for size in sizes),
        _figure(record.figure("result", "right_percent")),
        _figure(record.figure("original", "right_percent")),
        _figure(asked_for(record)),
        _figure(record.figure("figures", "same_percent")),
        _figure(epsilon(record)),
        "yes" if record.passed else f"no: {shorten(why, _WHY)}" if isinstance(why, str) else "no",
    )


def _load(record: Record) -> Row:
    def times(name: str, factor: float) -> str:
        found = [record.figure("curves", name, percent) for percent in ("50", "95")]
        return ", ".join(_NONE if value is None else f"{factor * value:,.0f}" for value in found)

    figures = ("requests", "requests_per_second", "output_tokens_per_second")
    return (
        *(record.name, record.version, _moment(record)),
        *(_figure(record.figure("figures", name)) for name in figures),
        times("time_to_first_token_seconds", 1e3),
        times("time_per_output_token_milliseconds", 1),
        _figure(record.figure("figures", "errors_percent")),
        _passed(record),
    )


def _calibrated(name: str, one: Calibrated) -> Iterator[Row]:
    measured = speed(one.record)
    for index, (title, field) in enumerate(PANELS):
        spans = [said(getattr(of, field)) for of in (one.before, measured, one.after)]
        yield (name if index == 0 else "", title, *spans, one.note if index == 0 else "")


def _moment(record: Record) -> str:
    return record.at[:16].replace("T", " ")


def _passed(record: Record) -> str:
    return "yes" if record.passed else "no"


def _figure(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.6g}"

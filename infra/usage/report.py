"""What was used as tables, a page, a spreadsheet's rows and data; and what was read, so that nothing goes unsaid."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from infra.report.headline import Figure
from infra.report.html_page import page
from infra.report.section import Row, Section, Table
from infra.report.text import section_lines
from infra.report.words import count
from infra.usage.advice import Advice, Load, saving
from infra.usage.private import Bounds, PrivateTotal, within
from infra.usage.rows import Reading
from infra.usage.totals import Total, Totals

FIRST_OF_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
HEADER = ("requests", "refused", "prompt tokens", "answer tokens", "dollars")


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Everything of a report. With `private` nothing of a single client is in it."""

    stack: str
    totals: Totals
    reading: Reading
    budgets: Mapping[str, float]
    loads: Mapping[str, Load] = field(default_factory=dict[str, Load])
    advice: tuple[Advice, ...] = ()
    advice_note: str = ""
    private: tuple[PrivateTotal, ...] | None = None
    bounds: Bounds | None = None


def sections(usage: Usage) -> Iterator[Section]:
    """In the order in which a reader asks."""
    if usage.private is not None and usage.bounds is not None:
        yield _private(usage.private, usage.bounds)
        return
    totals = usage.totals
    for name, place in (("client", 1), ("model", 2)):
        rows = [(what, *_cells(total)) for what, total in totals.of(place).items()]
        yield Section(name=f"by-{name}", title=f"By {name}", tables=(Table(header=(name, *HEADER), rows=rows),))
    if usage.budgets:
        yield _budgets(usage)
    rows = [(*key, *_cells(total)) for key, total in sorted(totals.sums.items())]
    header = (totals.by, "client", "model", *HEADER)
    yield Section(name="periods", title=f"By {totals.by}", note="UTC", tables=(Table(header=header, rows=rows),))
    if usage.loads:
        yield _load(usage.loads)
    yield _advice(usage)
    yield Section(name="read", title="What was read", lines=tuple(_read(usage.reading)))


def _cells(total: Total) -> Row:
    return (
        f"{total.requests:,}",
        f"{total.refused:,}",
        f"{total.prompt_tokens:,}",
        f"{total.output_tokens:,}",
        _dollars(total),
    )


def _dollars(total: Total) -> str:
    """What has no price is not free."""
    if total.unpriced_tokens and not total.dollars:
        return "no price"
    return f"{total.dollars:,.2f}" + (
        f" and {total.unpriced_tokens:,} tokens without a price" * bool(total.unpriced_tokens)
    )


def _budgets(usage: Usage) -> Section:
    months = sorted({month for month, _ in usage.totals.months}) or [usage.reading.last[:7]]
    rows: list[Row] = []
    for month in months:
        for client, most in usage.budgets.items():
            spent = usage.totals.months.get((month, client), 0.0)
            rows.append((month, client, f"{spent:,.2f}", f"{most:,.2f}", f"{spent / most:.0%}"))
    return Section(
        name="budgets",
        title="Budgets",
        note="`clients.X.dollars_per_month`, which gateways hold to",
        tables=(Table(header=("month", "client", "spent", "budget", "of it"), rows=rows),),
    )


def _load(loads: Mapping[str, Load]) -> Section:
    rows = [
        (
            name,
            f"{load.peak_per_second:.3g}",
            f"{load.mean_per_second:.3g}",
            f"{load.input_tokens:,}",
            f"{load.output_tokens:,}",
        )
        for name, load in sorted(loads.items())
    ]
    header = ("model", "requests/s in the busiest hour", "mean", "prompt tokens", "answer tokens")
    note = "answered requests; tokens of the usual one"
    return Section(name="load", title="Load", note=note, tables=(Table(header=header, rows=rows),))


def _advice(usage: Usage) -> Section:
    rows = [(one.model, one.found, one.write, saving(one), one.gives_up or "nothing") for one in usage.advice]
    header = ("model", "measured", "write", "$/month less", "what is given up")
    return Section(
        name="advice",
        title="Recommendations",
        note=usage.advice_note or "the plan at the measured load, and what it would cost then; each by itself",
        tables=(Table(header=header, rows=rows),) if rows else (),
        lines=() if rows or usage.advice_note else ("nothing: what runs is what the load needs",),
    )


def _private(found: tuple[PrivateTotal, ...], bounds: Bounds) -> Section:
    rows = [(one.period, f"{one.requests:,}", f"{one.tokens:,}") for one in found]
    return Section(
        name="private",
        title="Totals of all clients",
        note=f"with noise: epsilon {float(bounds.epsilon):g} for each period, half for each column; periods add up",
        tables=(Table(header=("period", "requests", "tokens"), rows=rows),),
        lines=(
            f"in 95 of 100 cases the noise is at most {within(bounds.most_requests, bounds):,} requests and "
            f"{within(bounds.most_tokens, bounds):,} tokens",
            f"a client counts for at most {bounds.most_requests:,} requests and {bounds.most_tokens:,} tokens in a "
            "period; what is more is left out",
        ),
    )


def _read(reading: Reading) -> Iterator[str]:
    yield f"{count(reading.requests, 'request')} of {count(reading.files, 'file')}, {reading.first or '-'} to " + (
        reading.last or "-"
    )
    for chain, (first, last) in reading.chains.items():
        yield f"chain {chain}: rows {first:,} to {last:,}; signatures: `python -m serving.audit verify`"
    if reading.unchained:
        yield f"{count(reading.unchained, 'row')} of no chain (an export): whether rows are missing is not known"
    if reading.removed:
        yield f"{count(reading.removed, 'row')} before these are not here: a retention took them, or they were left out"
    if reading.replaced:
        yield f"{count(reading.replaced, 'answer')} ended otherwise than a first row said: the second row counts"
    if reading.omitted:
        yield f"{count(reading.omitted, 'refusal')} have no row of their own and are in no sum"
    if reading.interruptions:
        yield f"{count(reading.interruptions, 'time')} rows could not be written; requests were refused meanwhile"
    wrong = len(reading.problems) + reading.more_problems
    if wrong:
        yield f"{count(wrong, 'row')} or chains are not as they should be: sums are without what could not be read"


def _headline(usage: Usage) -> str:
    reading = usage.reading
    return f"{count(reading.requests, 'request')}, {reading.first[:10] or '-'} to {reading.last[:10] or '-'}"


def _text(usage: Usage) -> str:
    lines = [f"stack {usage.stack}" + ("" if usage.private is not None else f": {_headline(usage)}")]
    for section in sections(usage):
        lines += section_lines(section)
    return "\n".join(lines)


def _csv(usage: Usage) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if usage.private is not None:
        writer.writerow(("period", "requests", "tokens"))
        writer.writerows((one.period, one.requests, one.tokens) for one in usage.private)
        return text.getvalue().rstrip("\n")
    columns = ("requests", "refused", "prompt_tokens", "output_tokens", "dollars", "unpriced_tokens")
    writer.writerow((usage.totals.by, "client", "model", *columns))
    for key, total in sorted(usage.totals.sums.items()):
        values = {**vars(total), "dollars": f"{total.dollars:.6f}"}
        writer.writerow([*map(_plain, key), *(values[name] for name in columns)])
    return text.getvalue().rstrip("\n")


def _plain(text: str) -> str:
    """A spreadsheet would take some names for formulas."""
    return f"'{text}" if text.startswith(FIRST_OF_A_FORMULA) else text


def _json(usage: Usage) -> str:
    data: dict[str, Any] = {"stack": usage.stack}
    if usage.private is not None and usage.bounds is not None:
        bounds = {**vars(usage.bounds), "epsilon": float(usage.bounds.epsilon)}
        return json.dumps({**data, "private": [asdict(one) for one in usage.private], "bounds": bounds}, indent=2)
    totals = usage.totals
    data |= {
        "by": totals.by,
        "usage": [
            {"period": period, "client": client, "model": model, **vars(total)}
            for (period, client, model), total in sorted(totals.sums.items())
        ],
        "months": [
            {"month": month, "client": client, "dollars": spent, "budget": usage.budgets.get(client)}
            for (month, client), spent in sorted(totals.months.items())
        ],
        "load": {name: asdict(load) for name, load in usage.loads.items()},
        "advice": [asdict(one) for one in usage.advice],
        "read": {name: value for name, value in vars(usage.reading).items() if name != "problems"},
        "problems": [asdict(one) for one in usage.reading.problems],
    }
    return json.dumps(data, indent=2)


def _html(usage: Usage) -> str:
    if usage.private is not None:
        return page("usage", usage.stack, "All clients together, none of them alone.", (), sections(usage), "UTC")
    every = Total()
    for total in usage.totals.sums.values():
        every.take(total)
    saves = [one.saves_dollars_per_month for one in usage.advice if one.saves_dollars_per_month]
    figures = (
        Figure(label="requests", value=f"{every.requests:,}", detail=f"{every.refused:,} of them refused"),
        Figure(label="tokens", value=f"{every.prompt_tokens + every.output_tokens:,}"),
        Figure(
            label="charged",
            value=_dollars(every) if every.unpriced_tokens and not every.dollars else f"${every.dollars:,.2f}",
        ),
        Figure(label="most that could be saved", value=f"${max(saves):,.0f} a month" if saves else "nothing known"),
    )
    return page(
        "usage", usage.stack, _headline(usage), figures, sections(usage), "From the audit; prices of the stack."
    )


FORMATS: Mapping[str, Callable[[Usage], str]] = {"text": _text, "csv": _csv, "html": _html, "json": _json}

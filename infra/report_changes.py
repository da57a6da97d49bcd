"""What a plan changes, for readers: text for a terminal, Markdown for a pull request, a fragment of HTML, plain data.

One list of sections for all of them, in the order in which a reviewer should read: what is weaker, then what is other,
then what that does.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra.plan.change_types import Change, Figure, PlanChanges

_SIGNS = {"added": "new", "removed": "gone", "changed": "other"}
# What Markdown or GitHub would take for its own: markup, HTML, mentions of people and of issues.
_MARKUP = re.compile(r"([\\*_\[\]<>|~#@!$&])")


@dataclass(frozen=True, kw_only=True)
class Section:
    """Sentences, or a table with a header."""

    title: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    sentences: tuple[str, ...] = ()


def with_changes(form: str, printed: str, changes: PlanChanges) -> str:
    """A printed plan with what it changes: after it in a terminal, before it in a pull request, as a key in JSON."""
    if form == "json":
        return json.dumps({**json.loads(printed), "changes": changes_data(changes)}, indent=2)
    if form == "markdown":
        return f"{changes_markdown(changes)}\n\n{printed}"
    return f"{printed}\n\n{changes_text(changes)}"


def changes_data(changes: PlanChanges) -> dict[str, Any]:
    """As plain data, for the key `changes` of a plan's JSON."""
    return asdict(changes)


def changes_text(changes: PlanChanges) -> str:
    """For a terminal."""
    lines = [f"CHANGES against {changes.against}{_summary(changes)}"]
    for section in sections(changes):
        lines += ["", f"  {section.title.upper()}"]
        lines += [f"  {sentence}" for sentence in section.sentences]
        lines += _table(section.header, section.rows) if section.rows else []
    return "\n".join(lines)


def changes_markdown(changes: PlanChanges) -> str:
    """For a pull request: a `###` heading and `####` sections."""
    lines = [f"### What `{changes.stack}` changes against {_markdown(changes.against)}{_summary(changes)}"]
    for section in sections(changes):
        lines += ["", f"#### {section.title}", ""]
        lines += [f"- {_markdown(sentence)}" for sentence in section.sentences]
        if section.rows:
            lines += [_row(section.header), _row(["---"] * len(section.header))]
            lines += [_row([_markdown(cell) for cell in row]) for row in section.rows]
    return "\n".join(lines)


def changes_html(changes: PlanChanges) -> str:
    """A `<section>` without style or script of its own."""
    parts = ['<section class="changes">', f"<h2>Changes against {_html(changes.against)}{_summary(changes)}</h2>"]
    for section in sections(changes):
        parts.append(f"<h3>{_html(section.title)}</h3>")
        if section.sentences:
            parts += ["<ul>", *(f"<li>{_html(sentence)}</li>" for sentence in section.sentences), "</ul>"]
        if section.rows:
            head = "".join(f"<th>{_html(cell)}</th>" for cell in section.header)
            parts += ["<table>", f"<tr>{head}</tr>"]
            parts += [f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in row)}</tr>" for row in section.rows]
            parts.append("</table>")
    return "\n".join([*parts, "</section>"])


def sections(changes: PlanChanges) -> Iterator[Section]:
    """Only those that have something to say."""
    found = (
        Section(title="Weaker than before", sentences=(*changes.weaker, *_warned(changes))),
        Section(title="Not compared", sentences=changes.not_compared),
        *_things(changes),
        *_effects(changes),
        Section(title="Warnings that are gone", sentences=changes.gone_warnings),
    )
    return (section for section in found if section.rows or section.sentences)


def _warned(changes: PlanChanges) -> Iterator[str]:
    yield from (f"WARNING {warning}" for warning in changes.new_warnings)


def _summary(changes: PlanChanges) -> str:
    return ": nothing changes, neither what will exist nor what it costs or does." if changes.nothing else ""


def _things(changes: PlanChanges) -> Iterator[Section]:
    for title, found in (("Sites", changes.sites), ("Models", changes.models), ("Clients", changes.clients)):
        yield Section(
            title=title,
            header=(title.lower().removesuffix("s"), "", "what", "before", "after"),
            rows=tuple(row for change in found for row in _change_rows(change)),
        )
    yield Section(
        title="Of the whole deployment",
        header=("what", "before", "after"),
        rows=tuple((field.field, _cell(field.before), _cell(field.after)) for field in changes.others),
    )


def _change_rows(change: Change) -> Iterator[tuple[str, ...]]:
    if not change.fields:
        yield change.name, _SIGNS[change.status], "", "", ""
    for number, field in enumerate(change.fields):
        name = (change.name, _SIGNS[change.status]) if number == 0 else ("", "")
        none = "none" if change.status == "changed" else ""
        yield *name, field.field, _cell(field.before, none), _cell(field.after, none)


def _effects(changes: PlanChanges) -> Iterator[Section]:
    price = changes.price
    figures = (
        ("$/hour, fewest replicas", price.per_hour_min),
        ("$/hour, most replicas", price.per_hour_max),
        ("$/month, fewest replicas", price.per_month_min),
        ("$/month, most replicas", price.per_month_max),
    )
    yield _figures("Price, US dollars", ("price",), [((what,), figure) for what, figure in figures], ",.2f")
    yield _figures(
        "Capacity, requests/s, estimated; a site that stands by is not counted",
        ("model", "replicas"),
        [
            ((capacity.model or "all", which), figure)
            for capacity in changes.capacity
            for which, figure in (("fewest", capacity.at_min_replicas), ("most", capacity.at_max_replicas))
        ],
        ",.4g",
    )
    yield _figures(
        "Latency, ms, estimated",
        ("model", "of"),
        [
            ((latency.model, of), figure)
            for latency in changes.latency
            for of, figure in (
                ("first token, low", latency.first_token_low),
                ("first token, high", latency.first_token_high),
                ("each further token", latency.per_output_token),
            )
        ],
        ",.4g",
    )
    yield Section(
        title="Requests in flight",
        header=("what", "effect", "seconds to end", "how"),
        rows=tuple(
            (row.what, row.effect, "" if row.seconds is None else str(row.seconds), row.text)
            for row in changes.in_flight
        ),
    )


def _figures(title: str, header: Sequence[str], rows: list[tuple[tuple[str, ...], Figure]], form: str) -> Section:
    """Nothing where all are as they were."""
    changed = any(figure.before != figure.after for _, figure in rows)
    return Section(
        title=title,
        header=(*header, "before", "after", "change", "%"),
        rows=tuple((*name, *_figure(figure, form)) for name, figure in rows) if changed else (),
    )


def _figure(figure: Figure, form: str) -> tuple[str, ...]:
    before, after = (
        "not known" if value is None else _trim(format(value, form)) for value in (figure.before, figure.after)
    )
    change = (
        ""
        if figure.difference is None
        else _trim(format(figure.difference, f"+{form}"))
        if figure.difference
        else "same"
    )
    return before, after, change, "" if not figure.percent else f"{figure.percent:+.1f}"


def _trim(number: str) -> str:
    return number.removesuffix(".00")


def _cell(value: object, none: str = "") -> str:
    return none if value is None else str(value)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    """On one line. What stands between backticks is code already, and only a table's bar and a line's end get out."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:  # an odd one of its own
        return _MARKUP.sub(r"\\\1", "'".join(parts))
    return "`".join(
        part.replace("|", "\\|") if place % 2 else _MARKUP.sub(r"\\\1", part) for place, part in enumerate(parts)
    )


def _html(text: str) -> str:
    return html.escape(text, quote=True)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]

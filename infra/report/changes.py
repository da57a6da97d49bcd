"""What a plan changes, for readers: in the order in which a reviewer should read, what is weaker, then what is other,
then what that does. Written down as every section of the report is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from infra.plan.change_types import Change, Figure, PlanChanges
from infra.problems import Problem, Refused, listing
from infra.report.section import Row, Section, Table

_SIGNS = {"added": "new", "removed": "gone", "changed": "other"}
# Of a section in Markdown: a change of a thousand sites must still fit into a comment. JSON has all.
MOST_SHOWN = 40


def with_changes(form: str, printed: str, changes: PlanChanges) -> str:
    """A printed plan with what it changes. Raises Refused for a format that has no place for it."""
    if form not in _JOINED:
        problem = Problem(
            where="--against",
            found=f"with `--format {form}`",
            allowed=f"with {listing(_JOINED)}",
            remedy="leave it out, or choose one of these formats",
        )
        raise Refused("the command", [problem])
    return _JOINED[form](printed, changes)


def changes_data(changes: PlanChanges) -> dict[str, Any]:
    """As plain data, for the key `changes` of a plan's JSON."""
    return asdict(changes)


def changes_text(changes: PlanChanges) -> str:
    """For a terminal."""
    from infra.report.text import section_lines

    lines = [f"CHANGES against {changes.against}{_summary(changes)}"]
    return "\n".join([*lines, *(line for section in sections(changes) for line in section_lines(section))])


def changes_markdown(changes: PlanChanges) -> str:
    """For a pull request: a `###` heading and `####` sections."""
    from infra.report.markdown import escaped, name, section_body

    blocks = [f"### What {name(changes.stack)} changes against {escaped(changes.against)}{_summary(changes)}"]
    for section in sections(changes):
        blocks += [f"#### {escaped(section.title)}", *section_body(section, MOST_SHOWN)]
    return "\n\n".join(blocks)


def changes_html(changes: PlanChanges) -> str:
    """A `<section>` of the page."""
    from infra.report.html import inline, section_tables

    parts = ['<section id="changes" aria-labelledby="changes-heading">']
    parts.append(f'<h2 id="changes-heading">Changes against {inline(changes.against)}{_summary(changes)}</h2>')
    for section in sections(changes):
        note = f'<p class="note">{inline(section.note)}</p>' if section.note else ""
        parts += [f"<h3>{inline(section.title)}</h3>{note}", *section_tables(section)]
    return "\n".join([*parts, "</section>"])


# After the plan in a terminal, where the end is in sight; before it where a reader starts at the top.
_JOINED: dict[str, Callable[[str, PlanChanges], str]] = {
    "text": lambda printed, changes: f"{printed}\n\n{changes_text(changes)}",
    "json": lambda printed, changes: json.dumps({**json.loads(printed), "changes": changes_data(changes)}, indent=2),
    "markdown": lambda printed, changes: f"{changes_markdown(changes)}\n\n{printed}",
    "html": lambda printed, changes: printed.replace("<main>", f"<main>\n{changes_html(changes)}", 1),
}


def sections(changes: PlanChanges) -> Iterator[Section]:
    """Only those that have something to say."""
    found = (
        _lines("Weaker than before", (*changes.weaker, *changes.new_weakenings)),
        _lines("New warnings", changes.new_warnings),
        _lines("Not compared", changes.not_compared),
        *_things(changes),
        *_effects(changes),
        _lines("Warnings that are gone", changes.gone_warnings),
    )
    return (section for section in found if section.lines or any(table.rows for table in section.tables))


def _lines(title: str, lines: tuple[str, ...]) -> Section:
    return Section(name="changes", title=title, lines=lines)


def _of(title: str, header: Row, rows: tuple[Row, ...], note: str = "") -> Section:
    return Section(name="changes", title=title, note=note, tables=(Table(header=header, rows=rows),))


def _summary(changes: PlanChanges) -> str:
    return ": nothing changes, neither what will exist nor what it costs or does." if changes.nothing else ""


def _things(changes: PlanChanges) -> Iterator[Section]:
    for title, found in (("Sites", changes.sites), ("Models", changes.models), ("Clients", changes.clients)):
        rows = tuple(row for change in found for row in _change_rows(change))
        yield _of(title, (title.lower().removesuffix("s"), "", "what", "before", "after"), rows)
    others = tuple((field.field, _cell(field.before), _cell(field.after)) for field in changes.others)
    yield _of("Of the whole deployment", ("what", "before", "after"), others)


def _change_rows(change: Change) -> Iterator[Row]:
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
    yield _figures("Price", "US dollars", ("price",), [((what,), figure) for what, figure in figures], ",.2f")
    yield _figures(
        "Capacity",
        "requests/s, estimated; a site that stands by is not counted",
        ("model", "replicas"),
        [
            ((capacity.model or "all", which), figure)
            for capacity in changes.capacity
            for which, figure in (("fewest", capacity.at_min_replicas), ("most", capacity.at_max_replicas))
        ],
        ",.4g",
    )
    yield _figures(
        "Latency",
        "ms, estimated, of one request among the usual number at once",
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
    yield _of(
        "Requests in flight",
        ("what", "effect", "seconds to end", "how"),
        tuple(
            (row.what, row.effect, "" if row.seconds is None else str(row.seconds), row.text)
            for row in changes.in_flight
        ),
    )


def _figures(title: str, note: str, header: Row, rows: list[tuple[Row, Figure]], form: str) -> Section:
    """Nothing where all are as they were."""
    changed = any(figure.before != figure.after for _, figure in rows)
    told = tuple((*name, *_figure(figure, form)) for name, figure in rows) if changed else ()
    return _of(title, (*header, "before", "after", "change", "%"), told, note)


def _figure(figure: Figure, form: str) -> Row:
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

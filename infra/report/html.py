"""The plan as one HTML page with pictures: nothing is loaded, nothing runs, and it works without a network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from infra.plan.types import DeploymentPlan
from infra.report.headline import figures, headline
from infra.report.html_style import STYLE
from infra.report.pictures import CHARTS, places, topology
from infra.report.pictures.svg import Picture, svg, xml
from infra.report.section import Depth, Row, Section, Table, parts
from infra.report.sections import sections
from infra.report.words import count

# A page of a thousand sites must still open: JSON has what is left out.
MOST_ROWS, MOST_TABLES = 200, 40
# More than that is folded.
MOST_ROWS_OPEN, MOST_WARNINGS_OPEN = 60, 20
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(plan: DeploymentPlan) -> str:
    """A whole document."""
    return "\n".join(filter(None, _document(plan)))


def _document(plan: DeploymentPlan) -> Iterator[str]:
    # A terminal shows warnings last, where they are in sight; a page shows them first.
    told = sorted(sections(plan), key=lambda section: not section.warnings)
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    yield '<meta name="color-scheme" content="light dark"/>'
    yield f"<title>{xml(plan.stack)}: plan</title>\n<style>{STYLE}</style>\n</head>"
    yield '<body>\n<div class="page">'
    yield f'<header>\n<p class="eyebrow">slipway plan</p>\n<h1>{xml(plan.stack)}</h1>'
    yield f'<p class="lead">{inline(headline(plan))}</p>\n<dl class="figures">'
    for figure in figures(plan):
        detail = f'<dd class="detail">{xml(figure.detail)}</dd>' if figure.detail else ""
        yield f'<div class="figure"><dt>{xml(figure.label)}</dt><dd>{xml(figure.value)}</dd>{detail}</div>'
    links = " ".join(f'<a href="#{section.name}">{xml(section.title)}</a>' for section in told)
    yield f'</dl>\n<nav aria-label="Sections">{links}</nav>\n</header>\n<main>'
    yield from _pictures(plan)
    for section in told:
        yield from _section(section, plan)
    yield "</main>\n<footer>Decided without a cloud. The whole plan, for programs: <code>--format json</code></footer>"
    yield "</div>\n</body>\n</html>"


def _section(section: Section, plan: DeploymentPlan) -> Iterator[str]:
    yield f'<section id="{section.name}" aria-labelledby="{section.name}-heading">'
    yield f'<h2 id="{section.name}-heading">{xml(section.title)}</h2>'
    if section.note:
        yield f'<p class="note">{inline(section.note)}</p>'
    if section.warnings:
        yield from _warnings(section, plan)
    else:
        rows = sum(len(table.rows) for table in section.tables)
        folded = section.depth == Depth.LONGEST or rows > MOST_ROWS_OPEN
        yield f"<details><summary>{count(rows, 'row')}</summary>" if folded else ""
        yield from section_tables(section)
        yield "</details>" if folded else ""
    yield "</section>"


def _pictures(plan: DeploymentPlan) -> Iterator[str]:
    yield '<section aria-labelledby="glance"><h2 id="glance">At a glance</h2>'
    yield from (drawn(picture, f"topology-{picture.kind}") for picture in topology(plan))
    yield from (drawn(picture, f"place-{index}") for index, picture in enumerate(places(plan)))
    yield '<div class="charts">'
    for name, draw in CHARTS.items():
        yield from (drawn(picture, f"{name}-{index}") for index, picture in enumerate(draw(plan)))
    yield "</div></section>"


def drawn(picture: Picture, identity: str) -> str:
    """With its caption and what its colours are."""
    words = "".join(f'<li class="{style}">{xml(name)}</li>' for name, style in picture.legend)
    legend = f'<ul class="legend">{words}</ul>' if words else ""
    caption = f"<figcaption>{xml(picture.title)}</figcaption>"
    return f'<figure class="of-{picture.kind}">{caption}{legend}{svg(picture, identity)}</figure>'


def _warnings(section: Section, plan: DeploymentPlan) -> Iterator[str]:
    weak = frozenset(plan.weakenings)
    items = [
        f'<li><span class="kind">{"Weaker" if said in weak else "Note"}</span> {inline(said)}</li>'
        for said in section.lines[:MOST_ROWS]
    ]
    yield f'<ul class="warnings">{"".join(items[:MOST_WARNINGS_OPEN])}</ul>'
    if left := items[MOST_WARNINGS_OPEN:]:
        yield f"<details><summary>{count(left, 'more warning')}</summary>"
        yield f'<ul class="warnings">{"".join(left)}</ul></details>'
    yield from _more(len(section.lines) - MOST_ROWS, "warning")


def section_tables(section: Section) -> Iterator[str]:
    """What stands below its heading."""
    for table in section.tables[:MOST_TABLES]:
        yield from _table(table, table.title or section.title)
    yield from _more(len(section.tables) - MOST_TABLES, "table")
    if section.lines:
        lines = "".join(f"<li>{inline(said)}</li>" for said in section.lines[:MOST_ROWS])
        yield f'<ul class="lines">{lines}</ul>'
    yield from _more(len(section.lines) - MOST_ROWS, "line")


def _table(table: Table, label: str) -> Iterator[str]:
    if table.title:
        yield f"<h3>{inline(table.title)}</h3>"
    styles = [' class="number"' if table.is_figures(index) else "" for index in range(len(table.header))]
    # Whoever has no mouse scrolls a wide table with the keyboard.
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{xml(label)}"><table>'
    header = "".join(
        f'<th scope="col"{style}>{inline(cell)}</th>' for cell, style in zip(table.header, styles, strict=True)
    )
    yield f"<thead><tr>{header}</tr></thead><tbody>"
    shown = table.first_rows(MOST_ROWS)
    for row in shown:
        yield f"<tr>{_cells(row, styles)}</tr>"
    yield "</tbody></table></div>"
    yield from _more(len(table.rows) - len(shown), "row")


def _cells(row: Row, styles: list[str]) -> str:
    first = f'<th scope="row"{styles[0]}>{inline(row[0])}</th>'
    return first + "".join(f"<td{style}>{inline(cell)}</td>" for cell, style in zip(row[1:], styles[1:], strict=True))


def _more(number: int, noun: str) -> Iterator[str]:
    if number > 0:
        yield f'<p class="more">and {count(number, f"more {noun}")}: <code>--format json</code> has all</p>'


def inline(text: str) -> str:
    """Text with its names as code."""
    return "".join(f"<code>{escape(piece)}</code>" if is_name else escape(piece) for is_name, piece in parts(text))

"""The plan as Markdown for a pull request: short, what is long folded, no longer than a comment may be.

Names and addresses are a user's: they end no cell, mention nobody and bring no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.plan.types import DeploymentPlan
from infra.report.headline import figures, headline
from infra.report.mermaid import diagram
from infra.report.section import Depth, Row, Section, Table, parts
from infra.report.sections import sections
from infra.report.words import count

# GitHub takes 65,536 characters; whoever posts it may add a heading and a marker.
LONGEST_CHARACTERS = 60_000
# Rows of a table, tables or warnings of a section: as many as there is room for.
MOST_SHOWN = (40, 20, 10, 5, 2)
LONGEST_CELL_CHARACTERS = 300
_SPECIAL = re.compile(r"([\\`*_\[\]~$])")
# What GitHub makes a mention or a reference of, in text that is rendered already: only a break inside stops it.
_REFERENCE = re.compile(r"([@#!%])(?=\w)")
_AT_THE_START = re.compile(r"^([-+#=]|\d+(?=[.)](\s|$)))")


def to_markdown(plan: DeploymentPlan) -> str:
    """As complete as fits; what does not is counted, and JSON has it all."""
    blocks: list[str] = []
    for most in MOST_SHOWN:
        blocks = [*_blocks(plan, most)]
        if sum(len(block) + 2 for block in blocks) <= LONGEST_CHARACTERS:
            return "\n\n".join(blocks)
    return "\n\n".join(_fitting(blocks))


def _fitting(blocks: list[str]) -> Iterator[str]:
    """The first that fit."""
    left = LONGEST_CHARACTERS - 200
    for index, block in enumerate(blocks):
        left -= len(block) + 2
        if left < 0:
            yield f"and {count(len(blocks) - index, 'more part')}, which {_in_json(plural=False)}"
            return
        yield block


def _blocks(plan: DeploymentPlan, most: int) -> Iterator[str]:
    yield f"### Plan of {name(plan.stack)}: {escaped(headline(plan))}"
    yield " · ".join(f"**{escaped(figure.value)}** {escaped(figure.label)}" for figure in figures(plan))
    yield f"```mermaid\n{diagram(plan)}\n```"
    for section in sections(plan):
        body = "\n\n".join(section_body(section, most))
        title = escaped(section.title)
        if section.warnings:
            title = f"⚠️ {count(section.lines, 'warning')}"
        if section.depth == Depth.BRIEF:
            yield f"#### {title}\n\n{body}"
        else:
            yield f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def section_body(section: Section, most: int) -> Iterator[str]:
    """What stands below its heading, in blocks: no more than so many rows, tables and lines."""
    if section.note:
        yield f"<sub>{escaped(section.note)}</sub>"
    for table in section.tables[:most]:
        yield "\n".join(_table(table, most))
    yield from _more(len(section.tables) - most, "table")
    if section.lines:
        yield "\n".join(f"- {escaped(line)}" for line in section.lines[:most])
    yield from _more(len(section.lines) - most, "line")


def _table(table: Table, most: int) -> Iterator[str]:
    if table.title:
        yield f"**{escaped(table.title)}**\n"
    right = [":" if table.is_figures(column) else "" for column in range(len(table.header))]
    yield _row(table.header)
    yield f"|{'|'.join(f'---{side}' for side in right)}|"
    shown = table.first_rows(most)
    yield from map(_row, shown)
    yield from (f"\n{line}" for line in _more(len(table.rows) - len(shown), "row"))


def _row(cells: Row) -> str:
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def _more(number: int, noun: str) -> Iterator[str]:
    if number > 0:
        yield f"and {count(number, f'more {noun}')}, which {_in_json(plural=number > 1)}"


def _in_json(*, plural: bool) -> str:
    return f"{'are' if plural else 'is'} in `--format json`"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is; what stands between backticks becomes code."""
    if len(text) > LONGEST_CELL_CHARACTERS:
        text = text[:LONGEST_CELL_CHARACTERS].replace("`", "'") + "…"
    return "".join(
        name(piece) if is_name else _plain(piece, index) for index, (is_name, piece) in enumerate(parts(text))
    )


def name(text: str) -> str:
    """Code, in which nothing means anything; but a bar would still end a cell, so it is written otherwise."""
    text = text.replace("`", "'")
    return f"<code>{_plain(text, 1)}</code>" if "|" in text or "\\" in text else f"`{text}`"


def _plain(text: str, index: int) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "&#124;")
    text = _REFERENCE.sub(r"\1<!-- -->", _SPECIAL.sub(r"\\\1", text))
    return text if index else _AT_THE_START.sub(r"\\\1" if not text[:1].isdigit() else r"\1\\", text)

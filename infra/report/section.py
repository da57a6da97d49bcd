"""A part of the report, before any format: a heading, tables, lines. What is between backticks is a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

Row = tuple[str, ...]


class Depth(IntEnum):
    """How deep a reader has to dig: `BRIEF` is always in sight; `LONG` is folded where a format can fold; `LONGEST` is
    also left out of the text for a terminal."""

    BRIEF = 0
    LONG = 1
    LONGEST = 2


@dataclass(frozen=True, kw_only=True)
class Table:
    """Every row has as many cells as the header."""

    header: Row
    rows: Sequence[Row]
    title: str = ""

    def is_figures(self, column: int) -> bool:
        """Whether a column has numbers, or from which to which, and nothing else."""
        cells = [row[column].replace(" to ", "") for row in self.rows]
        return any(cells) and not any(c.isalpha() for cell in cells if cell not in ("no price", "never") for c in cell)

    def first_rows(self, most: int) -> Sequence[Row]:
        """No more than so many. The last rows of a table are its sums, so these stay."""
        return self.rows if len(self.rows) <= most else [*self.rows[: max(0, most - 2)], *self.rows[-2:]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """`name` is what pictures and links know it by; `note` ends the heading's sentence; `lines` follow the tables. A
    section of `warnings` has one in each line."""

    name: str
    title: str
    note: str = ""
    tables: tuple[Table, ...] = ()
    lines: tuple[str, ...] = ()
    depth: Depth = Depth.BRIEF
    warnings: bool = False


def parts(text: str) -> Iterator[tuple[bool, str]]:
    """A text's pieces and whether each is a name, which stands between backticks; on one line, without controls."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    pieces = line.split("`")
    # A backtick without a partner is a character like any other.
    if len(pieces) % 2 == 0:
        yield False, line
        return
    for index, piece in enumerate(pieces):
        if piece:
            yield index % 2 == 1, piece

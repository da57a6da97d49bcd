"""CSV tables as frozen dataclasses: a column is a field, its annotation says how the cell is read."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

Row = TypeVar("Row")

FOLDER = Path(__file__).resolve().parent

_CELLS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda cell: {"yes": True, "no": False}[cell],
    "int | None": lambda cell: int(cell) if cell else None,
    "float | None": lambda cell: float(cell) if cell else None,
    "str | None": lambda cell: cell or None,
    "tuple[str, ...]": lambda cell: tuple(cell.split(";")) if cell else (),
}


def read(file: str, row: type[Row]) -> Iterator[Row]:
    """Every row of `file` (beside this module). Columns and fields are the same names; a stray one is an error."""
    kinds = {name: _CELLS[str(kind)] for name, kind in row.__annotations__.items()}
    with (FOLDER / file).open(encoding="utf-8", newline="") as lines:
        for number, cells in enumerate(csv.DictReader(lines), 2):
            if set(cells) != set(kinds):
                raise ValueError(f"{file}:{number}: columns and fields differ: {sorted(set(cells) ^ set(kinds))}")
            yield row(**{name: kinds[name](cell) for name, cell in cells.items()})

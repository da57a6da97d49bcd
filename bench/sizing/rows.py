"""The measured points, with what was found wrong in their descriptions set right and said (`corrections.csv`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.catalog.gpus import MEMORY_ONLY
from infra.sizing.points import INPUT_COLUMNS, Point, point

FOLDER = Path(__file__).resolve().parent
POINTS = FOLDER / "validation_points.csv"
# Which kinds are measurements of serving speed. MLPerf rows are 99th percentiles of other loads.
_SPEED = ("serving", "decode_conc1", "decode_batch", "max_throughput")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One row: what was asked, and what was measured. None is "not measured"."""

    id: str
    kind: str
    point: Point
    kv_cache_gib: float | None
    max_concurrency: float | None
    notes: str
    time_per_output_token_ms: float | None
    time_to_first_token_ms: float | None
    output_tokens_per_second: float | None
    # A row that does not say its lengths is answered with assumed ones; its error is shown apart and never fitted.
    lengths_given: bool
    corrected: bool

    @property
    def speed(self) -> bool:
        shape = self.point.shape
        return self.kind in _SPEED and shape is not None and shape.gpu.backend != MEMORY_ONLY

    @property
    def model(self) -> str:
        return self.point.shape.model.model if self.point.shape else ""

    @property
    def gpu(self) -> str:
        return self.point.shape.gpu.gpu if self.point.shape else ""

    @property
    def engine(self) -> str:
        return self.point.shape.engine if self.point.shape else ""


def measured_rows(corrected: bool = True) -> list[Measured]:
    """Every row of the file, described as corrected or as it came."""
    fixes: dict[str, dict[str, str]] = {}
    with (FOLDER / "corrections.csv").open(encoding="utf-8", newline="") as lines:
        for fix in csv.DictReader(lines) if corrected else ():
            fixes.setdefault(fix["id"], {})[fix["column"]] = fix["value"]
    with POINTS.open(encoding="utf-8", newline="") as lines:
        return list(_rows(csv.DictReader(lines), fixes))


def _rows(table: Iterator[dict[str, str]], fixes: dict[str, dict[str, str]]) -> Iterator[Measured]:
    for row in table:
        asked = {**{name: row[name] for name in INPUT_COLUMNS}, **fixes.get(row["id"], {})}
        found = point(asked)
        yield Measured(
            id=row["id"],
            kind=asked["kind"],
            point=found,
            kv_cache_gib=_number(row["kv_cache_gib"]),
            max_concurrency=_number(row["max_concurrency"]),
            notes=row["notes"],
            time_per_output_token_ms=_number(row["itl_ms"]),
            time_to_first_token_ms=_number(row["ttft_ms"]),
            output_tokens_per_second=_number(row["output_tok_s"]),
            lengths_given=not any(note.startswith("lengths not given") for note in found.notes),
            corrected=row["id"] in fixes,
        )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None

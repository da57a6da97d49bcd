"""What `--points` prints of each row: one JSON object, always with the same keys."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.sizing.evaluate import Sized, evaluate
from infra.sizing.performance import ROOFLINE, PerformanceModel
from infra.sizing.points import INPUT_COLUMNS, point


def read_points(path: Path) -> list[dict[str, str]]:
    """The rows of a file, cut down to what may be read: a measured column cannot leak, it is not there."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [{name: row.get(name) or "" for name in INPUT_COLUMNS} for row in csv.DictReader(lines)]


def json_lines(rows: list[dict[str, str]], estimator: PerformanceModel = ROOFLINE) -> Iterator[str]:
    """One line per row, in the order of the file."""
    return (json.dumps(size_row(row, estimator)) for row in rows)


def size_row(row: Mapping[str, str], estimator: PerformanceModel = ROOFLINE) -> dict[str, Any]:
    """The figures of one row. A row that cannot be modelled says so in `reason`; it does not stop the others."""
    asked = point(row)
    sized = evaluate(asked.shape, asked.workload, estimator) if asked.shape else None
    return {"id": asked.id, **figures(sized, asked.notes)}


def figures(sized: Sized | None, notes: tuple[str, ...] = ()) -> dict[str, Any]:
    """The figures that everything printed about one shape has; all None where it is none."""
    held, speed = (sized.memory, sized.performance) if sized else (None, None)
    reasons = [f"{known.code}: {known.message}" for known in sized.rejections] if sized else []
    said = [*reasons, *(sized.notes if sized else ()), *notes]
    return {
        "fits": sized is not None and not sized.rejections,
        "weights_gib": _rounded(held and held.weights_gib),
        "kv_cache_gib": _rounded(held and held.kv_pool_gib),
        "kv_tokens": held.kv_pool_tokens if held else None,
        "time_per_output_token_ms": _rounded(speed and speed.time_per_output_token_ms),
        "time_to_first_token_ms_low": _rounded(speed and speed.time_to_first_token_ms_low),
        "time_to_first_token_ms_high": _rounded(speed and speed.time_to_first_token_ms_high),
        "output_tokens_per_second": _rounded(speed and speed.output_tokens_per_second),
        "estimator": speed.estimator if speed else None,
        "reason": "; ".join(said) or None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)

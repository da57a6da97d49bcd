"""Scores of the sizing against measured rows: errors per class, and the gates they must pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.sizing.predict import held_memory, predicted
from bench.sizing.rows import Measured
from infra.sizing.constants import Constants
from infra.sizing.evaluate import evaluate
from infra.sizing.types import VLLM

KV_PERCENT, TPOT_PERCENT, TPOT_CLASS_PERCENT, THROUGHPUT_PERCENT = 10, 15, 25, 20
# A class of fewer rows has no median worth a gate.
LEAST_ROWS = 5
_KV_VERSION = (0, 19)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One row with what was predicted for it; errors are predicted / measured - 1."""

    row: Measured
    time_per_output_token_ms: float
    output_tokens_per_second: float
    time_to_first_token_ratio: float | None

    @property
    def tpot_error(self) -> float | None:
        measured = self.row.time_per_output_token_ms
        return self.time_per_output_token_ms / measured - 1 if measured else None

    @property
    def throughput_error(self) -> float | None:
        measured = self.row.output_tokens_per_second
        return self.output_tokens_per_second / measured - 1 if measured else None


def scored(rows: Iterable[Measured], constants: Callable[[Measured], Callable[[str], Constants]]) -> list[Scored]:
    """Every row that can be answered, with the constants that `constants` gives for it."""
    found: list[Scored] = []
    for row in rows:
        held = held_memory(row) if row.speed else None
        if held is None:
            continue
        (tpot, throughput), part = predicted(row, held, constants(row)(row.engine))
        first = row.time_to_first_token_ms
        alone = part.prefill_ms + part.step_ms
        found.append(
            Scored(
                row=row,
                time_per_output_token_ms=tpot,
                output_tokens_per_second=throughput,
                time_to_first_token_ratio=first / alone if first else None,
            )
        )
    return found


def summary(errors: Sequence[float]) -> dict[str, float]:
    """Median, 90th percentile and mean of absolute errors, and the median of signed ones, in percent."""
    size = sorted(abs(error) for error in errors)
    return {
        "rows": len(size),
        "median_percent": round(100 * median(size), 1),
        "p90_percent": round(100 * size[min(len(size) - 1, int(0.9 * len(size)))], 1),
        "mean_percent": round(100 * sum(size) / len(size), 1),
        "bias_percent": round(100 * median(errors), 1),
    }


def by_class(judged: Sequence[Scored]) -> dict[str, dict[str, float]]:
    """Errors of time per output token over all rows and per class: engine, GPU family, model, kind of model."""
    classes: dict[str, list[float]] = {}
    for one in judged:
        error, shape = one.tpot_error, one.row.point.shape
        if error is None or shape is None:
            continue
        kind = "mixture" if shape.model.experts else "dense"
        names = [f"engine {one.row.engine}", f"GPU {one.row.gpu}", f"model {one.row.model}", f"{kind} models"]
        names.append("concurrency <= 4" if one.row.point.workload.concurrency <= 4 else "concurrency > 4")
        for name in ("all", *names):
            classes.setdefault(name, []).append(error)
    return {name: summary(classes[name]) for name in sorted(classes, key=lambda name: (name != "all", name))}


def throughput(judged: Sequence[Scored]) -> dict[str, float]:
    return summary([error for one in judged if (error := one.throughput_error) is not None])


def bands(by_model: Sequence[Scored], by_gpu: Sequence[Scored]) -> dict[str, Any]:
    """What the product prints as its error: of each class the worse of the two ways of leaving out."""
    worse: dict[str, list[list[float]]] = {"all": [[], []]}
    gpus: dict[str, int] = {}
    for which, judged in enumerate((by_model, by_gpu)):
        for one in judged:
            error, shape = one.tpot_error, one.row.point.shape
            if error is None or shape is None:
                continue
            name = f"{one.row.engine} {'mixture' if shape.model.experts else 'dense'}"
            for key in ("all", name):
                worse.setdefault(key, [[], []])[which].append(error)
            if which == 0:
                gpus[one.row.gpu] = gpus.get(one.row.gpu, 0) + 1
    found = {k: max((summary(e) for e in both), key=lambda s: s["median_percent"]) for k, both in worse.items()}
    keep = ("rows", "median_percent", "p90_percent")
    short = {name: {key: value[key] for key in keep} for name, value in sorted(found.items())}
    return {"all": short.pop("all"), "classes": short, "rows_per_gpu": dict(sorted(gpus.items()))}


def first_token_spread(judged: Sequence[Scored]) -> list[dict[str, float]]:
    """Measured time to first token as a multiple of (prefill + step): percentiles per range of concurrency."""
    rows: list[dict[str, float]] = []
    least = 0
    for most in (4, 16, 64, 100_000):
        ratios = sorted(
            one.time_to_first_token_ratio
            for one in judged
            if one.time_to_first_token_ratio and least < one.row.point.workload.concurrency <= most
        )
        at = {f"p{share}": round(ratios[int(share / 100 * (len(ratios) - 1))], 2) for share in (10, 50, 90)}
        rows.append({"most_concurrency": most, **at, "rows": len(ratios)})
        least = most
    return rows


def kv_errors(rows: Iterable[Measured]) -> list[tuple[Measured, float]]:
    """KV pools of vLLM 0.19 and later, predicted / measured - 1."""
    found: list[tuple[Measured, float]] = []
    for row in rows:
        shape = row.point.shape
        if shape is None or row.kv_cache_gib is None or row.engine != VLLM:
            continue
        if shape.engine_version is None or shape.engine_version >= _KV_VERSION:
            pool = evaluate(shape, row.point.workload).memory.kv_pool_gib
            found.append((row, pool / row.kv_cache_gib - 1))
    return found


def must_reject(rows: Iterable[Measured]) -> list[tuple[Measured, tuple[str, ...]]]:
    """Rows that did not run, with the codes they are rejected with (none is a failure)."""
    found: list[tuple[Measured, tuple[str, ...]]] = []
    for row in rows:
        failed = "rejected" in row.notes or "does not fit" in row.notes
        failed = failed or (row.kv_cache_gib is not None and row.kv_cache_gib <= 0)
        if row.point.shape and (failed or (row.max_concurrency is not None and row.max_concurrency < 1)):
            rejections = evaluate(row.point.shape, row.point.workload).rejections
            found.append((row, tuple(known.code for known in rejections)))
    return found

"""Estimators of speed behind one protocol: `roofline` answers always, the others where they know better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from infra.catalog.gpus import MEMORY_ONLY
from infra.registry import Registry
from infra.sizing.constants import Constants, constants_for, document
from infra.sizing.roofline import Times, times
from infra.sizing.types import Calibration, Memory, Performance, Shape, Workload


class PerformanceModel(Protocol):
    """Estimates the speed of one replica. Pure: same shape, same figures."""

    def refusal(self, shape: Shape, workload: Workload) -> str | None:
        """Why it has no answer for this shape, or None when it has one."""
        ...

    def estimate(self, shape: Shape, workload: Workload, memory: Memory) -> Performance:
        """The figures at the workload's concurrency, or at as much of it as the KV pool lets run."""
        ...


@dataclass(frozen=True)
class Roofline:
    """The default. `constants` gives an engine's; the bench passes those fitted without a model or without a GPU."""

    constants: Callable[[str], Constants] = constants_for

    def refusal(self, shape: Shape, workload: Workload) -> str | None:
        del workload
        gpu = shape.gpu
        if gpu.backend == MEMORY_ONLY:
            return f"nothing but the memory is known of {gpu.gpu}"
        return f"no figures for {gpu.backend} accelerators" if gpu.backend in ("neuron", "tpu") else None

    def estimate(self, shape: Shape, workload: Workload, memory: Memory) -> Performance:
        batch, part = parts(shape, workload, memory, self.constants(shape.engine))
        low, high = first_token_range(part, workload, batch)
        if known := _calibration(shape):
            low, high = low * known.first_token_low, high * known.first_token_high
            part = replace(
                part,
                time_per_output_token_ms=part.time_per_output_token_ms * known.time_per_output_token,
                time_to_first_token_ms=part.time_to_first_token_ms
                * math.sqrt(known.first_token_low * known.first_token_high),
            )
        return Performance(
            batch=batch,
            time_per_output_token_ms=part.time_per_output_token_ms,
            output_tokens_per_second=output_tokens_per_second(part, workload, batch),
            time_to_first_token_ms_low=low,
            time_to_first_token_ms_high=high,
            estimator=f"roofline {document()['date']}" + (f", {_calibrated(known)}" if known else ""),
            error_band=_band(known, batch) if known else error_band(shape),
        )


ESTIMATORS: Registry[PerformanceModel] = Registry(
    "estimators",
    {
        "roofline": "infra.sizing.performance:ROOFLINE",
        "published_fit": "infra.sizing.published_fit:PUBLISHED_FIT",
        "aiconfigurator": "infra.sizing.aiconfigurator:AICONFIGURATOR",
    },
)
ROOFLINE = Roofline()


def parts(shape: Shape, workload: Workload, memory: Memory, constants: Constants) -> tuple[int, Times]:
    """How many requests run at once, and what the parts of their steps take."""
    if workload.decode_only:
        constants = replace(constants, interference=0.0)
    batch = running_requests(shape, workload, memory)
    return batch, times(shape, workload, batch, constants)


def running_requests(shape: Shape, workload: Workload, memory: Memory) -> int:
    """How many requests run at once: those asked, or as many as the KV pools of all ranks hold. A pool that the
    engine's defaults leave empty counts as large enough: speed is then that of a higher memory fraction."""
    most = memory.max_batch * shape.data_parallel
    return max(1, min(workload.concurrency, most) if most else workload.concurrency)


def first_token_range(part: Times, workload: Workload, batch: int) -> tuple[float, float]:
    """From (prefill + step) as it was measured from the 10th to the 90th percentile of rows of that concurrency, and
    behind whatever waits for a slot."""
    spread = _spread(batch)
    alone = part.prefill_ms + part.step_ms
    return alone * spread["p10"], alone * spread["p90"] + _wait_for_a_slot_ms(part, workload, batch)


def error_band(shape: Shape) -> str:
    """How far off the roofline was on measured rows like this shape, with its model or its GPU left out of the fit."""
    bands: Mapping[str, Any] = document()["bands"]
    kind = "mixture" if shape.model.experts else "dense"
    band = bands["classes"].get(f"{shape.engine} {kind}") or bands["all"]
    text = f"median {band['median_percent']:.0f} %, 90th percentile {band['p90_percent']:.0f} %, {band['rows']} rows"
    rows = bands["rows_per_gpu"].get(shape.gpu.gpu, 0)
    return text if rows >= 5 else f"{text}; {rows or 'none'} of them on {shape.gpu.gpu}: expect worse"


def _calibration(shape: Shape) -> Calibration | None:
    """Another GPU, or another number of them, is off in another way."""
    known = shape.calibration
    if known is None or (known.gpu, known.tensor_parallel) != (shape.gpu.gpu, shape.tensor_parallel):
        return None
    return known


def _calibrated(known: Calibration) -> str:
    return (
        f"calibrated {known.measured.day} from {known.measured.requests} requests: "
        f"ms/token × {known.time_per_output_token:.2f}, "
        f"first token × {known.first_token_low:.2f} to × {known.first_token_high:.2f}"
    )


def _band(known: Calibration, batch: int) -> str:
    """How far single requests were from what is now the estimate, and that nobody has measured another load."""
    at = known.measured.workload.concurrency
    text = f"{known.measured.spread_percent:.0f} % for 8 of 10 requests, measured at {at} at once"
    return text if 0.5 <= batch / at <= 2 else f"{text}, not at {batch}: expect worse"


def output_tokens_per_second(part: Times, workload: Workload, batch: int) -> float:
    """Tokens per second of `batch` running requests; in a closed loop of clients the wait for first tokens counts."""
    tpot = part.time_per_output_token_ms
    if workload.saturated or workload.decode_only:
        return 1e3 * batch / tpot
    # Each client waits for its answer and asks again.
    first = part.time_to_first_token_ms + _wait_for_a_slot_ms(part, workload, batch)
    answer = first + tpot * max(0, workload.output_tokens - 1)
    return 1e3 * workload.concurrency * workload.output_tokens / answer


def _wait_for_a_slot_ms(part: Times, workload: Workload, batch: int) -> float:
    one = part.time_to_first_token_ms + part.time_per_output_token_ms * workload.output_tokens
    return max(0.0, workload.concurrency / batch - 1) * one


def _spread(batch: int) -> Mapping[str, float]:
    rows: list[dict[str, float]] = document()["time_to_first_token"]
    return next((row for row in rows if batch <= row["most_concurrency"]), rows[-1])

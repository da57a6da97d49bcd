"""Fits the roofline's constants to the measured points and writes `infra/sizing/constants.json`.

    python -m bench.sizing.fit

Coordinate search on the logarithms of the constants. The loss of a row is log(1 + (error / 0.15)^2): a row that is
far off (a wrong label, a cached prefix) pulls no harder than one that is 30 % off. Every constant is held to its
physical prior, every engine's to that of all engines. With hardly any weight on that (0.0005) the median error is
8.4 % on the fit's own rows and 20 % on a model that it has not seen; with 0.03 it is 9.7 and 14 (2026-11-25).

What this cannot show: the terms and the priors were chosen by people who had seen these rows.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from bench.sizing.predict import held_memory, predicted
from bench.sizing.rows import Measured, measured_rows
from bench.sizing.score import bands, first_token_spread, scored
from infra.sizing.constants import CONSTANTS_FILE, Constants
from infra.sizing.types import ENGINES, LLAMA_CPP, SGLANG, TENSORRT_LLM, VLLM, Memory

Vector = dict[tuple[str, str], float]

ALL = "all"
# What a constant is without any measurement: round figures, from what the hardware and the kernels are.
PRIOR: Mapping[str, float] = {
    "weight_stream": 0.88, "expert_stream": 0.75, "kv_stream": 0.6, "narrow_stream": 0.95, "routing_spread": 0.9,
    "prefill_compute": 0.5, "expert_compute": 0.3, "attention_compute": 0.4, "step_ms": 1.0, "layer_us": 30.0,
    "metal_layer_us": 200.0, "expert_layer_us": 30.0, "fused_experts": 0.7, "sequence_us": 10.0,
    "all_reduce_us": 8.0, "link_share": 0.5, "interference": 1.0, "first_token_ms": 10.0, "queue_share": 0.3,
}  # fmt: skip
# llama.cpp launched each kernel by itself when its rows were measured (2024); and one loop does prefill and decode.
ENGINE_PRIOR: Mapping[tuple[str, str], float] = {(LLAMA_CPP, "layer_us"): 80.0}
_SERVER = (
    "layer_us",
    "expert_layer_us",
    "sequence_us",
    "interference",
    "all_reduce_us",
    "queue_share",
    "first_token_ms",
)
# What differs between engines: their launches, their schedulers, their collectives; never the hardware.
ENGINE_CONSTANTS: Mapping[str, Sequence[str]] = {
    VLLM: _SERVER,
    SGLANG: _SERVER,
    TENSORRT_LLM: _SERVER,
    LLAMA_CPP: ("layer_us", "sequence_us", "weight_stream"),
}
# Shares of a peak stay below it.
MOST: Mapping[str, float] = {
    "weight_stream": 0.95, "expert_stream": 0.95, "kv_stream": 0.95, "narrow_stream": 1.0, "routing_spread": 1.0,
    "prefill_compute": 0.75, "expert_compute": 0.7, "attention_compute": 0.8, "link_share": 0.9, "interference": 1.2,
    "queue_share": 1.0, "fused_experts": 1.2,
}  # fmt: skip
PRIOR_WEIGHT = 0.03
_TOLERANCE, _FIRST_TOKEN_TOLERANCE = 0.15, 0.4
_FIRST_TOKEN_WEIGHT, _THROUGHPUT_WEIGHT = 0.12, 0.3
_SWEEPS = 20


def fit(rows: Iterable[Measured]) -> Callable[[str], Constants]:
    """The constants of every engine, from the rows whose lengths are known."""
    used = [(row, held) for row in rows if row.speed and row.lengths_given and (held := held_memory(row))]
    vector = _start()
    best, steps = _loss(vector, used), dict.fromkeys(vector, 0.3)
    for _ in range(_SWEEPS):
        for key in vector:
            for sign in (1, -1):
                value = min(vector[key] * math.exp(sign * steps[key]), MOST.get(key[1], math.inf))
                tried = {**vector, key: value}
                loss = _loss(tried, used)
                if loss < best - 1e-9:
                    vector, best, steps[key] = tried, loss, steps[key] * 1.3
                    break
            else:
                steps[key] *= 0.5
    found = _by_engine(vector)
    return lambda engine: found[engine]


def left_out(rows: Sequence[Measured], group: Callable[[Measured], str]) -> dict[str, Callable[[str], Constants]]:
    """For every group (a model, a GPU) the constants that were fitted without any of its rows."""
    names = sorted({group(row) for row in rows if row.speed})
    return {name: fit([row for row in rows if group(row) != name]) for name in names}


def prior() -> Callable[[str], Constants]:
    """The constants before any measurement."""
    found = _by_engine(_start())
    return lambda engine: found[engine]


def _start() -> Vector:
    vector: Vector = {(ALL, name): value for name, value in PRIOR.items()}
    for engine, names in ENGINE_CONSTANTS.items():
        vector.update({(engine, name): ENGINE_PRIOR.get((engine, name), PRIOR[name]) for name in names})
    return vector


def _by_engine(vector: Vector) -> dict[str, Constants]:
    names = [field.name for field in fields(Constants)]
    return {e: Constants(**{n: vector.get((e, n), vector[ALL, n]) for n in names}) for e in (ALL, *ENGINES)}


def _loss(vector: Vector, rows: Sequence[tuple[Measured, Memory]]) -> float:
    constants = _by_engine(vector)
    total = 0.0
    for row, held in rows:
        estimate, part = predicted(row, held, constants[row.engine])
        total += _penalty(estimate[0], row.time_per_output_token_ms, _TOLERANCE)
        total += _THROUGHPUT_WEIGHT * _penalty(estimate[1], row.output_tokens_per_second, _TOLERANCE)
        total += _FIRST_TOKEN_WEIGHT * _penalty(
            part.time_to_first_token_ms, row.time_to_first_token_ms, _FIRST_TOKEN_TOLERANCE
        )
    total /= len(rows)
    for (engine, name), value in vector.items():
        around = PRIOR[name] if engine == ALL else ENGINE_PRIOR.get((engine, name), vector[ALL, name])
        total += PRIOR_WEIGHT * math.log(value / around) ** 2
    return total


def _penalty(estimate: float, measured: float | None, tolerance: float) -> float:
    return 0.0 if measured is None else tolerance * math.log1p((math.log(estimate / measured) / tolerance) ** 2)


def write(found: Callable[[str], Constants], scores: Mapping[str, Any]) -> None:
    """Writes the constants beside the code that reads them: what differs between engines stands apart."""
    names = [field.name for field in fields(Constants)]
    common = {name: getattr(found(ALL), name) for name in names}
    engines = {e: {n: _short(getattr(found(e), n)) for n in ENGINE_CONSTANTS[e]} for e in ENGINES}
    content = {
        "source": "python -m bench.sizing.fit on bench/sizing/validation_points.csv with corrections.csv",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        ALL: {name: _short(value) for name, value in common.items()},
        "engines": engines,
        **scores,
    }
    CONSTANTS_FILE.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def main() -> None:
    """Fits, judges by leaving out, writes."""
    rows = measured_rows()
    found = fit(rows)
    by_model, by_gpu = left_out(rows, lambda row: row.model), left_out(rows, lambda row: row.gpu)
    judged = (scored(rows, lambda row: by_model[row.model]), scored(rows, lambda row: by_gpu[row.gpu]))
    own = scored(rows, lambda _: found)
    write(found, {"bands": bands(*judged), "time_to_first_token": first_token_spread(own)})


if __name__ == "__main__":
    main()

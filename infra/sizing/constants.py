"""The roofline's constants: a data file with its source and date, written by `bench/sizing/fit.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

CONSTANTS_FILE = Path(__file__).with_name("constants.json")


@dataclass(frozen=True, kw_only=True)
class Constants:
    """Every number that is fitted, each for one physical cause. Efficiencies are shares of a datasheet's peak."""

    # Streaming from memory: dense weights, expert weights, KV; and what each halving of the format's width keeps.
    weight_stream: float
    expert_stream: float
    kv_stream: float
    narrow_stream: float
    # Requests of one batch agree on experts more than chance would have it: the batch counts as batch ** this.
    routing_spread: float
    # Matrix products: dense models, mixtures (grouped products of few rows), attention.
    prefill_compute: float
    expert_compute: float
    attention_compute: float
    # One engine step: fixed, launches per layer (Apple's Metal apart), more where layers have experts and how much of
    # that is left where the experts are one fused kernel (Blackwell), scheduling and sampling per running request.
    step_ms: float
    layer_us: float
    metal_layer_us: float
    expert_layer_us: float
    fused_experts: float
    sequence_us: float
    # Tensor and expert parallel: latency of one exchange, share of the link's rate.
    all_reduce_us: float
    link_share: float
    # Share of a new request's prefill that lands in the others' decode steps.
    interference: float
    # Before the first token: fixed, and the share of the other requests' prefill that a new one waits for.
    first_token_ms: float
    queue_share: float


@cache
def document() -> Mapping[str, Any]:
    """The whole file: source, date, constants of all engines and where one differs, error bands, spread of TTFT."""
    return json.loads(CONSTANTS_FILE.read_text(encoding="utf-8"))


@cache
def constants_for(engine: str) -> Constants:
    """The constants of one engine: those of all engines, with the ones that differ."""
    values: dict[str, float] = {**document()["all"], **document()["engines"].get(engine, {})}
    return Constants(**{field.name: values[field.name] for field in fields(Constants)})

"""The figures of a model in a plan: where a GPU's memory goes and how fast a replica is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelMemory:
    """Where the memory of one GPU goes, estimated. `reserved_gib` is for activations, graphs and what an engine keeps
    beside tensors."""

    weights_gib: float
    kv_cache_gib: float
    reserved_gib: float
    free_gib: float

    @property
    def total_gib(self) -> float:
        """What one GPU has."""
        return self.weights_gib + self.kv_cache_gib + self.reserved_gib + self.free_gib


@dataclass(frozen=True, kw_only=True)
class LoadPoint:
    """What one replica does with so many requests at once, estimated as `ModelPerformance` is."""

    concurrent_requests: int
    output_tokens_per_second: float
    time_per_output_token_ms: float
    time_to_first_token_ms_low: int
    time_to_first_token_ms_high: int


@dataclass(frozen=True, kw_only=True)
class ModelPerformance:
    """What one replica does, estimated, with so many requests of this size at once. Time to first token is a range:
    nothing predicts it well. `error_band` says how far the estimator was off on what was measured, `prefill_share` what
    part of the machine's time goes into prompts. `curve` goes from one request at once to twice as many as run, where
    the rest waits."""

    input_tokens: int
    output_tokens: int
    running_requests: int
    requests_per_second: float
    output_tokens_per_second: float
    time_per_output_token_ms: float
    time_to_first_token_ms_low: int
    time_to_first_token_ms_high: int
    estimator: str
    error_band: str
    prefill_share: float
    curve: tuple[LoadPoint, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelCalibration:
    """What a load test measured of one replica, of requests of this size and with so many at once. `used` says whether
    `ModelPerformance` takes it into account; where there is none, what was measured is all that is known."""

    measured_at: str
    measured_requests: int
    ran_on: str
    engine: str
    engine_version: str | None
    concurrent_requests: float
    input_tokens: int
    output_tokens: int
    time_per_output_token_ms: float
    time_to_first_token_ms_low: float
    time_to_first_token_ms_high: float
    used: bool

"""How far the roofline was off for one measured load of a shape: factors that every further estimate of it takes."""

from __future__ import annotations

from functools import lru_cache

from infra.sizing.evaluate import evaluate, one_machine
from infra.sizing.types import Calibration, MeasuredLoad, Shape


@lru_cache(maxsize=4096)
def calibration(shape: Shape, measured: MeasuredLoad) -> Calibration | None:
    """None where nothing is estimated of this shape, which is one without a calibration."""
    own = evaluate(shape, measured.workload).performance
    near = one_machine(shape)
    return own and Calibration(
        gpu=near.gpu.gpu,
        tensor_parallel=near.tensor_parallel,
        measured=measured,
        time_per_output_token=measured.time_per_output_token_ms / own.time_per_output_token_ms,
        first_token_low=measured.time_to_first_token_ms_low / own.time_to_first_token_ms_low,
        first_token_high=measured.time_to_first_token_ms_high / own.time_to_first_token_ms_high,
    )

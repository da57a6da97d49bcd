"""What was measured of a model, as its stack file has it. `make calibrate` writes it; the plan compares and uses it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.objective import AcceleratorSettings
from infra.settings import PointInTime, Settings

PROCESSORS = "processors"
RanOn = Annotated[
    str,
    StringConstraints(pattern=rf"^({PROCESSORS}|[1-9][0-9]{{0,2}} x [A-Za-z0-9-]{{1,40}})$"),
    Field(json_schema_extra={"x-remedy": "write it as `make calibrate` does: `2 x L40S`, or `processors`"}),
]


class CalibrationSettings(Settings):
    """One load test's outcome, of one replica. How far the plan's own estimate of that load was off is worked out from
    it, whenever a plan is made."""

    measured_at: PointInTime = Field(description="When it was measured, with a time zone.")
    measured_requests: int = Field(ge=1, le=1_000_000_000, description="How many requests it is from.")
    ran_on: RanOn = Field(description="What one replica ran on: `2 x L40S`, or `processors`.")
    engine: str = Field(min_length=1, max_length=64, description="The engine that ran, such as `vllm`.")
    engine_version: str | None = Field(
        default=None, min_length=1, max_length=64, description="The version of it that was planned; unset, not known."
    )
    concurrent_requests: float = Field(
        ge=0.001, le=100_000, description="Requests that one replica had open at once, on average."
    )
    input_tokens: int = Field(ge=1, le=10_000_000, description="Tokens of a prompt, on average.")
    output_tokens: int = Field(ge=2, le=10_000_000, description="Tokens of an answer, on average.")
    time_per_output_token_milliseconds: float = Field(
        ge=0.001, le=3_600_000, description="Time between two tokens, in milliseconds: half of the requests had less."
    )
    spread_percent: float = Field(
        ge=0,
        le=100_000,
        description="How far that time was from its middle for 8 of 10 requests at most, in percent.",
    )
    fast_first_token_milliseconds: float = Field(
        ge=0.001, le=3_600_000, description="Wait for the first token, in milliseconds, which 1 of 10 did not exceed."
    )
    slow_first_token_milliseconds: float = Field(
        ge=0.001, le=3_600_000, description="Wait for the first token, in milliseconds, which 9 of 10 did not exceed."
    )


def ran_on(accelerator: AcceleratorSettings | None) -> str:
    """What one replica runs on, in the words of `CalibrationSettings`."""
    return PROCESSORS if accelerator is None else f"{accelerator.count * accelerator.nodes} x {accelerator.type}"

"""What a model must reach, how many replicas it may have, and what one of them runs on."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from infra.settings import Name, Settings

# Of a hundred requests so many are within the objective's times where nothing says how many: for load tests, and for
# the number of replicas.
KEPT_FOR_PERCENT = 95.0

# What the platforms of this version can be asked for.
AcceleratorName = Literal[
    "T4",
    "L4",
    "A10G",
    "A100-40GB",
    "A100-80GB",
    "L40S",
    "H100",
    "H200",
    "B200",
    "GB200",
    "RTX-PRO-6000",
    # Of workstations and small boxes, which no cloud of these has.
    "RTX-3090",
    "RTX-4090",
    "RTX-A6000",
    "DGX-Spark",
]
ACCELERATORS: tuple[str, ...] = get_args(AcceleratorName)


# Five fields of digits, `*`, `,`, `-` and `/`: what every reader of cron understands.
Cron = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9*,/-]+( [0-9*,/-]+){4}$"),
    Field(json_schema_extra={"x-remedy": "write minute, hour, day, month and weekday, such as `0 8 * * 1-5`"}),
]
Rollout = Literal["spare", "in_place"]


class AcceleratorSettings(Settings):
    """The GPUs of one replica."""

    type: AcceleratorName = Field(description="Name of the GPU, such as `L4`.")
    count: int = Field(default=1, ge=1, le=8, description="How many of them one replica gets on each of its machines.")
    nodes: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Machines that one replica is spread over, each with `count` GPUs and a part of the layers; more "
        "than 1 only for a model that no machine of them holds.",
    )


class MachineSettings(Settings):
    """What one replica gets of its machine, beside GPUs."""

    processors: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Processors that it asks for; it may use more while they are free. Unset, 4, or 4 for each GPU.",
    )
    memory_gibibytes: int | None = Field(
        default=None,
        ge=1,
        le=16_384,
        description="Memory in GiB, and no more; unset, what its engine, its weights and its GPUs are known to need.",
    )


class ScheduleSettings(Settings):
    """Hours with more replicas than otherwise, such as those of an office."""

    time_zone: str = Field(
        pattern=r"^[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}$", description="Where the clock is, such as `Europe/Berlin`."
    )
    begins: Cron = Field(description="When it begins, as cron has it: `0 8 * * 1-5` is eight on working days.")
    ends: Cron = Field(description="When it ends, as cron has it.")
    min_replicas: int = Field(ge=1, le=1000, description="Replicas that run in these hours.")


class ModelScalingSettings(Settings):
    """How many replicas of a model there are."""

    min_replicas: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Replicas that always run; unset, as few as the topology allows.",
    )
    max_replicas: int | None = Field(
        default=None, ge=1, le=1000, description="Replicas at most; unset, `min_replicas`, at least one."
    )
    schedules: dict[Name, ScheduleSettings] = Field(
        default_factory=dict,
        max_length=16,
        description="Hours with more replicas, by a name of your choice; needs KEDA.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> ModelScalingSettings:
        low, high = self.min_replicas, self.max_replicas
        if low is not None and high is not None and low > high:
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": f"`min_replicas` {low} above `max_replicas` {high}",
                    "allowed": "`min_replicas` up to `max_replicas`",
                    "remedy": "raise `max_replicas`",
                },
            )
        return self


class ObjectiveSettings(Settings):
    """What a model must reach at once, for requests of this size."""

    requests_per_second: float | None = Field(
        default=None, ge=0.001, le=100_000, description="Requests that come in a second; or `concurrent_users`."
    )
    concurrent_users: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Requests that are open together; or `requests_per_second`."
    )
    input_tokens: int = Field(default=1000, ge=1, le=10_000_000, description="Tokens of a usual prompt.")
    output_tokens: int = Field(default=250, ge=1, le=10_000_000, description="Tokens of a usual answer.")
    time_to_first_token_seconds: float | None = Field(
        default=None, ge=0.01, le=3600, description="Longest wait for an answer's first token, in seconds; unset, any."
    )
    time_per_output_token_milliseconds: float | None = Field(
        default=None, ge=0.1, le=60_000, description="Longest time between two tokens, in milliseconds; unset, any."
    )
    availability_percent: float | None = Field(
        default=None, ge=90, le=99.999, description="Share of time in which it must answer, in percent; unset, any."
    )

    @model_validator(mode="after")
    def _one_load(self) -> ObjectiveSettings:
        if (self.requests_per_second is None) == (self.concurrent_users is None):
            both = self.requests_per_second is not None
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": f"{'both' if both else 'none'} of `requests_per_second` and `concurrent_users`",
                    "allowed": "one of them: what comes in a second, or what is open together",
                    "remedy": "remove one of them" if both else "add the one that you know",
                },
            )
        return self

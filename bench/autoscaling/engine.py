"""The engine of the simulation: what the project's own sizing says of one replica, step by step.

A step's parts come from `infra.sizing.roofline.times`, fitted to measured rows (`make bench-sizing`): streaming the
weights takes the same for any batch, the KV cache as long as there are live tokens in it, the rest grows with requests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from infra.plan.fit import Fit
from infra.sizing.constants import constants_for
from infra.sizing.roofline import Times, times
from infra.sizing.types import Shape, Workload


@dataclass(frozen=True)
class Engine:
    """One replica. `at_once` requests run, each further one waits at the gateway. Times are in seconds; `streams` and
    `computes` are by the number of running requests. A prompt stops the others for `interference` of its time."""

    at_once: int
    streams: tuple[float, ...]
    computes: tuple[float, ...]
    rest: tuple[float, ...]
    per_live_token: float
    prefills: tuple[float, ...]
    interference: float
    before_first_token: float

    def step(self, running: int, live_tokens: float) -> float:
        """How long a token takes, with so many requests that have so many tokens between them."""
        streamed = self.streams[running] + self.per_live_token * live_tokens
        return max(streamed, self.computes[running]) + self.rest[running]


def engine_of(fit: Fit, *, slower: float = 1.0) -> Engine:
    """As it was sized; `slower` 1.3 takes 30 % longer for everything."""
    shape, workload, most = fit.sized.shape, fit.sized.workload, fit.sized.workload.concurrency
    constants = constants_for(shape.engine)
    parts = [times(shape, workload, running, constants) for running in range(1, most + 1)]

    def seconds(values: list[float]) -> tuple[float, ...]:
        return tuple(value * slower / 1e3 for value in values)

    def none_first(values: list[float]) -> tuple[float, ...]:
        return seconds([values[0], *values])

    return Engine(
        at_once=most,
        streams=none_first([part.weights_ms for part in parts]),
        computes=none_first([part.compute_ms for part in parts]),
        rest=none_first([part.overhead_ms + part.communication_ms for part in parts]),
        per_live_token=parts[0].kv_ms / workload.live_tokens * slower / 1e3,
        prefills=seconds([_alone(shape, workload, tokens).prefill_ms for tokens in range(shape.max_model_len + 1)]),
        interference=constants.interference,
        before_first_token=constants.first_token_ms * slower / 1e3,
    )


def servers(at_once: int, token_seconds: float = 1.0) -> Engine:
    """A replica whose every place takes as long for a token, whatever the others do: what queueing theory knows."""
    same = (token_seconds,) * (at_once + 1)
    none = (0.0,) * (at_once + 1)
    return Engine(
        at_once=at_once,
        streams=same,
        computes=none,
        rest=none,
        per_live_token=0.0,
        prefills=(0.0,),
        interference=0.0,
        before_first_token=0.0,
    )


def _alone(shape: Shape, workload: Workload, tokens: int) -> Times:
    return times(shape, replace(workload, input_tokens=tokens), 1, constants_for(shape.engine))

"""What is simulated: a deployment as somebody would write it, planned by the product, and what the plan says of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from infra.config import ModelSettings
from infra.gateway.routing import QueueSettings
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.fit import Fit, fit
from infra.plan.scaling import Demand, ScalingPlan, demand_of, lets_pass_seconds
from infra.plan.start_types import ColdStartPhase
from infra.sizing.select import MOST_SATURATION

_DIGEST = "registry.example.com/slipway/vllm:0.33.0@sha256:" + "3" * 64
_GATEWAY = "registry.example.com/slipway/gateway@sha256:" + "1" * 64
# What each trace's users would say of their requests, in round figures; the trace itself is seen by no plan. What is in
# time: of conversations as the stack `prod` has it, of code as MLPerf Inference has it for its servers (Llama 2 70B).
OBJECTIVES: dict[str, dict[str, Any]] = {
    "conv": {
        "input_tokens": 1000,
        "output_tokens": 250,
        "time_to_first_token_seconds": 1.0,
        "time_per_output_token_milliseconds": 40,
    },
    "code": {
        "input_tokens": 2000,
        "output_tokens": 30,
        "time_to_first_token_seconds": 2.0,
        "time_per_output_token_milliseconds": 200,
    },
}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The plan's part of a simulation."""

    fit: Fit
    scaling: ScalingPlan
    demand: Demand
    start_seconds: tuple[float, float]
    pull_seconds: tuple[float, float]
    queue: QueueSettings
    lets_pass_seconds: float
    gpus_per_replica: int
    context_tokens: int
    time_to_first_token_seconds: float
    time_per_output_token_seconds: float

    def replicas_for(self, requests_per_second: float) -> int:
        """As the plan sizes a fleet that does not change: at most 70 % of what it could do at the objective."""
        return max(1, math.ceil(requests_per_second / (MOST_SATURATION * self.fit.capacity)))


def scenario(trace: str, replicas: tuple[int, int]) -> Scenario:
    """Qwen3-8B on L40S, as the stack `onprem` has it, for such requests."""
    document = _document(trace, replicas)
    config = validate(document, "bench", {})
    plan = build_plan(config, "bench")
    (engine,) = plan.sites["here"].details.serving.engines.values()
    settings, model = cast(ModelSettings, config.models["chat"]), plan.models["chat"]
    sized = fit(settings)
    assert isinstance(sized, Fit)
    assert engine.scaling is not None
    demand = demand_of(model)
    assert demand is not None
    assert model.cold_start is not None
    phases, objective = model.cold_start.phases, OBJECTIVES[trace]
    return Scenario(
        fit=sized,
        scaling=engine.scaling,
        demand=demand,
        start_seconds=_between(phase for phase in phases if phase.name != "pull_image"),
        pull_seconds=_between(phase for phase in phases if phase.name == "pull_image"),
        queue=settings.queue or QueueSettings(),
        lets_pass_seconds=lets_pass_seconds(model) or math.inf,
        gpus_per_replica=model.accelerator.count if model.accelerator else 1,
        context_tokens=settings.context_tokens,
        time_to_first_token_seconds=objective["time_to_first_token_seconds"],
        time_per_output_token_seconds=objective["time_per_output_token_milliseconds"] / 1e3,
    )


def _between(phases: Iterable[ColdStartPhase]) -> tuple[float, float]:
    found = list(phases)
    return sum(phase.seconds_low for phase in found), sum(phase.seconds for phase in found)


def _document(trace: str, replicas: tuple[int, int]) -> dict[str, Any]:
    revision = "b968826d9c46dd6066d109eabc6255188de91218"
    return {
        "topology": {"kind": "microservice"},
        "sites": {
            "here": {
                "platform": {"kind": "kubernetes", "context": "here", "keda": True, "storage": {"weights": "fast"}}
            }
        },
        "models": {
            "chat": {
                "source": {"kind": "huggingface", "repo": "Qwen/Qwen3-8B", "revision": revision},
                "engine": {"kind": "vllm", "image": _DIGEST},
                "accelerator": {"type": "L40S"},
                "context_tokens": 8192,
                "concurrent_requests": 16,
                # Requests wait at the gateway, where they are counted, and where those still in time come first.
                "queue": {},
                "objective": {"requests_per_second": 2, **OBJECTIVES[trace]},
                "scaling": {"min_replicas": replicas[0], "max_replicas": replicas[1]},
                "longest_generation_seconds": 120,
            }
        },
        "clients": {"web": {"models": ["chat"]}},
        "gateway": {"images": {"gateway": _GATEWAY}},
    }

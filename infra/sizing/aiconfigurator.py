"""Optional second opinion: NVIDIA's database of measured operators (extra `aiconfigurator`), imported on first use.

Its function is named as its published sources have it; this project's tests run against a stand-in, because the
package and what it needs are about 600 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from infra.catalog.models import models
from infra.problems import Problem, Refused
from infra.sizing.performance import ROOFLINE, running_requests
from infra.sizing.types import SGLANG, TENSORRT_LLM, VLLM, Memory, Performance, Shape, Workload

_PACKAGES = ("aiconfigurator_core.cli", "aiconfigurator.cli")
_SYSTEMS = {
    "A100-80GB": "a100_sxm", "H100": "h100_sxm", "H200": "h200_sxm", "B200": "b200_sxm", "GB200": "gb200",
    "L40S": "l40s", "L4": "l4", "RTX-PRO-6000": "rtx_pro_6000_server",
}  # fmt: skip
_BACKENDS = {VLLM: "vllm", SGLANG: "sglang", TENSORRT_LLM: "trtllm"}
# Its own silicon data, stratified sample: 298 of 462 rows answered (2026).
_ERROR = "median 20 %, mean 31 % on its own measurements"


@dataclass(frozen=True)
class AiConfigurator:
    """Answers for catalogue models only: others it would look for on the network."""

    def refusal(self, shape: Shape, workload: Workload) -> str | None:
        _function()
        if shape.gpu.gpu not in _SYSTEMS or shape.engine not in _BACKENDS or shape.model.model not in models():
            return f"aiconfigurator knows nothing of {shape.model.model} on {shape.gpu.gpu} with {shape.engine}"
        try:
            _asked(shape, workload, max(1, workload.concurrency))
        except Exception as error:  # whatever it raises, it has no answer
            return f"aiconfigurator has no answer ({type(error).__name__})"
        return None

    def estimate(self, shape: Shape, workload: Workload, memory: Memory) -> Performance:
        batch = running_requests(shape, workload, memory)
        found = _asked(shape, workload, batch)
        tpot, first = float(found.tpot), float(found.ttft)
        high = ROOFLINE.estimate(shape, workload, memory).time_to_first_token_ms_high
        return Performance(
            batch=batch,
            time_per_output_token_ms=tpot,
            output_tokens_per_second=1e3 * batch * workload.output_tokens / (first + tpot * workload.output_tokens),
            time_to_first_token_ms_low=first,
            time_to_first_token_ms_high=max(first, high),
            estimator="aiconfigurator 0.12",
            error_band=_ERROR,
        )


@cache
def _asked(shape: Shape, workload: Workload, batch: int) -> Any:
    return _function()(
        shape.model.model,
        _SYSTEMS[shape.gpu.gpu],
        backend_name=_BACKENDS[shape.engine],
        isl=workload.input_tokens,
        osl=workload.output_tokens,
        batch_size=batch,
        tp_size=shape.tensor_parallel,
        pp_size=shape.pipeline_parallel,
    )


def _function() -> Callable[..., Any]:
    for name in _PACKAGES:
        try:
            return import_module(name).cli_estimate
        except (ImportError, AttributeError):
            continue
    problem = Problem(
        where="--estimator",
        found="`aiconfigurator`, which is not installed",
        allowed="`roofline`, `published_fit`, and `aiconfigurator` where its package is installed",
        remedy="install `aiconfigurator-core==0.12.0` beside this project (about 600 MB), or use `roofline`",
    )
    raise Refused("the estimator", [problem])


AICONFIGURATOR = AiConfigurator()

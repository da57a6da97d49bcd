"""One request at a time, from a published fit: time per output token as a line over the context, measured on vLLM."""

from __future__ import annotations

from dataclasses import dataclass

from infra.sizing.performance import ROOFLINE
from infra.sizing.types import VLLM, Memory, Performance, Shape, Workload

# (model, GPU, precision, KV) -> milliseconds at no context, and per token of it. vLLM 0.19.1, vLLM blog of 2026-04-22.
_LINES = {
    ("meta-llama/Llama-3.1-8B-Instruct", "H100", "bf16", "bf16"): (6.44, 4.37e-5),
    ("meta-llama/Llama-3.1-8B-Instruct", "H100", "bf16", "fp8"): (6.58, 2.37e-5),
    ("meta-llama/Llama-3.1-8B-Instruct", "B200", "bf16", "bf16"): (3.93, 1.80e-5),
    ("meta-llama/Llama-3.1-8B-Instruct", "B200", "bf16", "fp8"): (3.96, 9.72e-6),
    ("openai/gpt-oss-20b", "H100", "mxfp4", "bf16"): (4.05, 8.94e-6),
}


@dataclass(frozen=True)
class PublishedFit:
    """Answers only for what was measured: these models and cards, one GPU, one request. The time to first token and
    the rest of the figures stay the roofline's."""

    def refusal(self, shape: Shape, workload: Workload) -> str | None:
        if _key(shape) not in _LINES or shape.engine != VLLM or shape.gpu_count != 1:
            return "nothing was published for this model, GPU, precision and KV dtype on one GPU"
        if workload.concurrency != 1:
            return "what was published is one request at a time"
        return None

    def estimate(self, shape: Shape, workload: Workload, memory: Memory) -> Performance:
        fixed, per_token = _LINES[_key(shape)]
        other = ROOFLINE.estimate(shape, workload, memory)
        tpot = fixed + per_token * workload.live_tokens
        return Performance(
            batch=1,
            time_per_output_token_ms=tpot,
            output_tokens_per_second=1e3 / tpot,
            time_to_first_token_ms_low=other.time_to_first_token_ms_low,
            time_to_first_token_ms_high=other.time_to_first_token_ms_high,
            estimator="published_fit vLLM 0.19.1, 2026-04-22",
            error_band="a fit through measurements of exactly this; its authors give no error",
        )


def _key(shape: Shape) -> tuple[str, str, str, str]:
    return shape.model.model, shape.gpu.gpu, shape.precision.name, shape.kv_dtype


PUBLISHED_FIT = PublishedFit()

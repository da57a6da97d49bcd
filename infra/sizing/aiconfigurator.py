"""Optional second opinion: NVIDIA's database of measured operators (extra `aiconfigurator`), imported on first use.

Written against `aiconfigurator-core` 0.12.0 and tried with it (2026-11-25). It is about 600 MB with what it needs, so
most tests run against a stand-in with the same functions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from infra.catalog.models import find_model
from infra.problems import Problem, Refused
from infra.sizing.performance import ROOFLINE, running_requests
from infra.sizing.types import SGLANG, TENSORRT_LLM, VLLM, Memory, Performance, Shape, Workload

PACKAGE = "aiconfigurator_core"
_SYSTEMS = {
    "A100-80GB": "a100_sxm", "H100": "h100_sxm", "H200": "h200_sxm", "B200": "b200_sxm", "GB200": "gb200",
    "L40S": "l40s", "L4": "l4", "RTX-PRO-6000": "rtx_pro_6000_server",
}  # fmt: skip
_BACKENDS = {VLLM: "vllm", SGLANG: "sglang", TENSORRT_LLM: "trtllm"}
# How it calls what dense layers, and experts, are stored in.
_DENSE = {
    "bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8", "int8": "int8_wo", "awq": "int4_wo", "gptq": "int4_wo",
    "nvfp4": "nvfp4", "mxfp4": "bfloat16",
}  # fmt: skip
_EXPERTS = {**_DENSE, "mxfp4": "w4a16_mxfp4"}
_KV = {"fp8": "fp8", "int8": "int8"}
# Its own silicon data, stratified sample: 298 of 462 rows answered (2026).
_ERROR = "median 20 %, mean 31 % on its own measurements"


@dataclass(frozen=True)
class AiConfigurator:
    """Answers for models whose dimensions its package holds: others it would look for on the network."""

    def refusal(self, shape: Shape, workload: Workload) -> str | None:
        known = shape.gpu.gpu in _SYSTEMS and shape.engine in _BACKENDS and shape.precision.name in _DENSE
        if not known or shape.model.model not in _bundled():
            what = f"{shape.model.model} in {shape.precision.name} on {shape.gpu.gpu} with {shape.engine}"
            return f"aiconfigurator knows nothing of {what}"
        try:
            _asked(shape, workload.input_tokens, workload.output_tokens, max(1, workload.concurrency))
        except Exception as error:  # whatever it raises, it has no answer
            return f"aiconfigurator has no answer ({type(error).__name__})"
        return None

    def estimate(self, shape: Shape, workload: Workload, memory: Memory) -> Performance:
        batch = running_requests(shape, workload, memory)
        first, tpot = _asked(shape, workload.input_tokens, workload.output_tokens, batch)
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
def _asked(shape: Shape, input_tokens: int, output_tokens: int, batch: int) -> tuple[float, float]:
    """Milliseconds to the first token and for each further one, with so many requests at once on the newest version of
    the engine that it has measured."""
    backend, system = _BACKENDS[shape.engine], _SYSTEMS[shape.gpu.gpu]
    measured, ranks = _part("perf_database"), shape.data_parallel
    version = measured.get_latest_database_version(system=system, backend=backend)
    if version is None:
        raise LookupError(f"{backend} was not measured on {system}")
    database = measured.get_database_view(system, backend, version, allow_missing_data=False, database_mode="SILICON")
    # With expert parallelism whole experts are spread over all GPUs of a stage, else each is split.
    spread = shape.tensor_parallel * ranks if shape.expert_parallel else 1
    layout = _part("config_builders").build_model_config(
        shape.tensor_parallel,
        shape.pipeline_parallel,
        ranks,
        shape.tensor_parallel * ranks // spread,
        spread,
        gemm_quant_mode=_DENSE[shape.precision.name],
        kvcache_quant_mode=_KV.get(shape.kv_dtype, "bfloat16"),
        moe_quant_mode=_EXPERTS[shape.precision.name],
    )
    name = _bundled()[shape.model.model]
    _part("models.helpers").resolve_context_fmha_by_data(layout, name, database, backend, is_context_role=True)
    runtime = _part("config").RuntimeConfig(isl=input_tokens, osl=output_tokens, batch_size=-(-batch // ranks))
    model = _part("models").get_model(name, layout, backend)
    engine = _part("backends.factory").get_backend(backend)
    found = engine.run_agg(model, database, runtime, ctx_tokens=input_tokens).get_result_dict()
    return float(found["ttft"]), float(found["tpot"])


@cache
def _bundled() -> Mapping[str, str]:
    """By the catalogue's name, what the package calls each model whose dimensions it holds: the checkpoint itself, not
    others' quantizations of it, since what it is stored in is ours to say."""
    package = _part("config").__file__
    names = [
        file.name.removesuffix("_config.json").replace("--", "/")
        for file in Path(package).parent.parent.joinpath("model_configs").glob("*_config.json")
        if not file.name.endswith("_hf_quant_config.json")
    ]
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda one: (len(one), one)):
        model = find_model(name)
        if model is not None:
            found.setdefault(model.model, name)
    return found


def _part(name: str) -> Any:
    # It tells of every table that it reads.
    logging.getLogger(PACKAGE).setLevel(logging.ERROR)
    try:
        return import_module(f"{PACKAGE}.sdk.{name}")
    except ImportError:
        problem = Problem(
            where="--estimator",
            found="`aiconfigurator`, which is not installed",
            allowed="`roofline`, `published_fit`, and `aiconfigurator` where its package is installed",
            remedy="install what `requirements/aiconfigurator.txt` names (about 600 MB), or use `roofline`",
        )
        raise Refused("the estimator", [problem]) from None


AICONFIGURATOR = AiConfigurator()

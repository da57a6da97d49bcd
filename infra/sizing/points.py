"""Rows of a CSV file as shapes and workloads. Only what was asked is read; what was measured is never looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from infra.catalog.gpus import find_gpu, memory_only
from infra.catalog.models import find_model
from infra.sizing.kv_cache import kv_dtype_or_default
from infra.sizing.pool import memory
from infra.sizing.precision import KV_BYTES, find_precision
from infra.sizing.types import ENGINES, LLAMA_CPP, Shape, Workload

# The columns that are input. Every other column of a file is ignored.
INPUT_COLUMNS = (
    "id", "kind", "model", "gpu", "gpu_count", "tp", "pp", "engine", "engine_version", "precision", "kv_dtype", "isl",
    "osl", "concurrency", "gpu_mem_util",
)  # fmt: skip
# What is assumed where a row does not say, and is said in its `reason`.
ASSUMED_INPUT_TOKENS, ASSUMED_OUTPUT_TOKENS = 1024, 256
_ENGINE_SPELLINGS = {"trtllm": "tensorrt_llm", "tensorrt-llm": "tensorrt_llm", "llama.cpp": "llama_cpp"}
# Before vLLM's second engine (0.8) prefill was not chunked by default: a whole prompt is one step.
_VLLM_CHUNKED_PREFILL = (0, 8)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One row: a shape with its workload, or the reason why it has none."""

    id: str
    shape: Shape | None
    workload: Workload
    notes: tuple[str, ...]


def point(row: Mapping[str, str]) -> Point:
    """Reads one row. Nothing is guessed silently: every assumption is in `notes`."""
    cells = {name: (row.get(name) or "").strip() for name in INPUT_COLUMNS}
    notes: list[str] = []
    workload = _workload(cells, notes)
    shape = _shape(cells, workload, notes)
    if shape and cells["tp"] == "":
        shape = _smallest_tensor_parallel(shape, workload)
        notes.append(f"tensor parallel not given: {shape.tensor_parallel}, the smallest that fits")
    if shape and workload.saturated:
        fits = memory(shape, workload).max_batch * shape.data_parallel
        workload = replace(workload, concurrency=max(1, fits))
    return Point(id=cells["id"], shape=shape, workload=workload, notes=tuple(notes))


def _workload(cells: Mapping[str, str], notes: list[str]) -> Workload:
    kind = cells["kind"]
    capacity = kind == "kv_capacity"
    # What is in the column is the longest context there, not a prompt.
    given_input = None if capacity else _integer(cells["isl"])
    given_output = _integer(cells["osl"])
    if not capacity and given_output is None:
        notes.append(f"lengths not given: {ASSUMED_INPUT_TOKENS} in and {ASSUMED_OUTPUT_TOKENS} out assumed")
    return Workload(
        input_tokens=ASSUMED_INPUT_TOKENS if given_input is None or given_output is None else given_input,
        output_tokens=given_output or ASSUMED_OUTPUT_TOKENS,
        concurrency=_integer(cells["concurrency"]) or 1,
        decode_only=kind.startswith("decode"),
        saturated=kind == "max_throughput" or kind.startswith("mlperf"),
    )


def _shape(cells: Mapping[str, str], workload: Workload, notes: list[str]) -> Shape | None:
    model, gpu = find_model(cells["model"]), find_gpu(cells["gpu"])
    stated_gib = _stated_gib(cells["gpu"])
    if gpu is None and stated_gib:
        gpu = memory_only(cells["gpu"], stated_gib)
    engine = _ENGINE_SPELLINGS.get(cells["engine"].lower(), cells["engine"].lower())
    if model is None:
        notes.append(f"not_modelled: the model `{cells['model']}` is not in the catalogue")
    if gpu is None:
        notes.append(f"not_modelled: the GPU `{cells['gpu']}` is not in the catalogue")
    if engine not in ENGINES:
        notes.append(f"not_modelled: the engine `{cells['engine']}` is not one of {', '.join(ENGINES)}")
    if model is None or gpu is None or engine not in ENGINES:
        return None
    written = cells["precision"]
    if written.startswith("submitter quantized"):
        written = "fp4" if gpu.tflops_fp4 else "fp8"
    precision = find_precision(written, model, gguf=engine == LLAMA_CPP)
    if precision is None:
        notes.append(f"not_modelled: the precision `{cells['precision']}` is unknown")
        return None
    kv_dtype = kv_dtype_or_default(cells["kv_dtype"], engine, precision.compute)
    if kv_dtype not in KV_BYTES:
        notes.append(f"not_modelled: the KV dtype `{cells['kv_dtype']}` is unknown")
        return None
    version = _version(cells["engine_version"])
    measured = cells["kind"]
    needed = workload.input_tokens + workload.output_tokens
    return Shape(
        model=model,
        gpu=gpu,
        engine=engine,
        precision=precision,
        kv_dtype=kv_dtype,
        max_model_len=(_integer(cells["isl"]) or 8192) if measured == "kv_capacity" else needed,
        gpu_count=_integer(cells["gpu_count"]) or 1,
        tensor_parallel=_integer(cells["tp"]) or 1,
        pipeline_parallel=_integer(cells["pp"]) or 1,
        expert_parallel=bool(model.experts),
        engine_version=version,
        usable_gib=stated_gib,
        memory_fraction=float(cells["gpu_mem_util"]) if cells["gpu_mem_util"] else None,
        chunked_prefill=not (engine == "vllm" and version is not None and version < _VLLM_CHUNKED_PREFILL),
    )


def _smallest_tensor_parallel(shape: Shape, workload: Workload) -> Shape:
    for split in (1, 2, 4, 8):
        tried = replace(shape, tensor_parallel=split)
        if split >= shape.gpu_count or memory(tried, workload).kv_pool_gib > max(4.0, 0.08 * shape.physical_gib):
            return tried
    return shape


def _integer(cell: str) -> int | None:
    return int(float(cell)) if cell else None


def _version(cell: str) -> tuple[int, int] | None:
    """(0, 19) of `0.19.0`; None of `nan`, `2026`, `b7941` and of `0.2x`, which is any of ten."""
    found = re.match(r"v?(\d+)\.(\d+)(?![\dx])", cell)
    return (int(found[1]), int(found[2])) if found else None


def _stated_gib(cell: str) -> float | None:
    """The physical size where a name states it: `(79.19 GiB physical)`, `(23034 MiB)`."""
    if found := re.search(r"\(([\d.]+) GiB", cell):
        return float(found[1])
    return None

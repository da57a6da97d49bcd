"""What the command line asks, with every name resolved or every problem named."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.catalog.gpus import Gpu, find_gpu, gpus
from infra.catalog.instances import instances
from infra.catalog.models import Model, bare_name, find_model, models
from infra.problems import Problem, Refused, did_you_mean, listing, nearest
from infra.sizing.cost import ON_DEMAND, SPOT
from infra.sizing.gguf import read_gguf
from infra.sizing.huggingface_config import read_config
from infra.sizing.kv_cache import kv_dtype_or_default
from infra.sizing.precision import KV_BYTES, PRECISIONS, Precision, find_precision
from infra.sizing.types import ENGINES, LLAMA_CPP, VLLM, Demand, Objective, Shape, Workload


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Everything that was named, found."""

    model: Model
    gpu: Gpu | None
    engine: str
    precisions: tuple[Precision, ...]
    workload: Workload
    objective: Objective
    weights_bytes: int | None


def read(options: argparse.Namespace, problems: Sequence[Problem]) -> Asked:
    """Raises Refused with `problems` and whatever else is unknown, all at once."""
    found = [*problems]
    model, weights_bytes = _model(options.model, found) if options.model is not None else (None, None)
    engine = options.engine or (LLAMA_CPP if weights_bytes else VLLM)
    found += unknown("--engine", engine, ENGINES)
    gpu = find_gpu(options.gpu) if options.gpu is not None else None
    if options.gpu is not None and gpu is None:
        found += unknown("--gpu", options.gpu, tuple(gpus()))
    precisions = _precisions(options.precision, model, engine, found)
    if options.kv_dtype != "auto":
        found += unknown("--kv-dtype", kv_dtype_or_default(options.kv_dtype, engine, ""), ("auto", *KV_BYTES))
    for where, given, known in (
        ("--cloud", options.cloud, dict.fromkeys(row.cloud for row in instances())),
        ("--region", options.region, dict.fromkeys(row.region for row in instances())),
        ("--purchase", options.purchase, dict.fromkeys((ON_DEMAND, SPOT))),
    ):
        for name in given:
            found += unknown(where, name, tuple(known))
    if found or model is None:
        raise Refused("`python -m infra size`", found)
    workload = Workload(
        input_tokens=options.input_tokens, output_tokens=options.output_tokens, concurrency=options.concurrency
    )
    objective = Objective(
        time_per_output_token_ms=options.time_per_output_token_ms,
        time_to_first_token_ms=options.time_to_first_token_ms,
    )
    return Asked(
        model=model,
        gpu=gpu,
        engine=engine,
        precisions=precisions,
        workload=workload,
        objective=objective,
        weights_bytes=weights_bytes,
    )


def shape(asked: Asked, options: argparse.Namespace) -> Shape:
    """The one shape that was asked about: the first precision, on the GPU that was named."""
    assert asked.gpu is not None
    split = options.tensor_parallel or 1
    precision = asked.precisions[0]
    return Shape(
        model=asked.model,
        gpu=asked.gpu,
        engine=asked.engine,
        precision=precision,
        kv_dtype=kv_dtype_or_default(options.kv_dtype, asked.engine, precision.compute),
        max_model_len=options.max_model_len or asked.workload.input_tokens + asked.workload.output_tokens,
        gpu_count=split,
        tensor_parallel=split,
        expert_parallel=bool(asked.model.experts),
        weights_bytes=asked.weights_bytes,
    )


def demand(asked: Asked, options: argparse.Namespace) -> Demand:
    """What selection is asked for."""
    return Demand(
        model=asked.model,
        workload=asked.workload,
        engine=asked.engine,
        precisions=tuple(precision.name for precision in asked.precisions),
        kv_dtype=options.kv_dtype,
        max_model_len=options.max_model_len,
        objective=asked.objective,
        requests_per_second=options.requests_per_second,
        tensor_parallel=options.tensor_parallel,
        clouds=tuple(options.cloud),
        regions=tuple(options.region),
        purchases=tuple(options.purchase) or (ON_DEMAND,),
        max_replicas=options.max_replicas,
        dollars_per_month=options.dollars_per_month,
        weights_bytes=asked.weights_bytes,
    )


def unknown(where: str, found: str, known: Sequence[str]) -> Iterable[Problem]:
    """The problem of a name that is not known, with the nearest that is."""
    if found not in known:
        remedy = did_you_mean(found, known, "choose one that is listed")
        yield Problem(where=where, found=f"`{found}`", allowed=listing(known), remedy=remedy)


def _model(name: str, problems: list[Problem]) -> tuple[Model | None, int | None]:
    path = Path(name)
    try:
        if name.endswith(".gguf"):
            header = read_gguf(path)
            return header.model, header.weights_bytes
        if name.endswith("config.json") or path.is_dir():
            return read_config(path / "config.json" if path.is_dir() else path), None
    except Refused as refused:
        problems += refused.problems
        return None, None
    model = find_model(name)
    if model is None:
        near = nearest(bare_name(name), bares := {bare_name(known): known for known in models()})
        problems.append(
            Problem(
                where="--model",
                found=f"`{name}`, which is not in the catalogue",
                allowed=f"{len(models())} models ({listing(sorted(models())[:3])}, …), or a config.json or .gguf file",
                remedy=f"did you mean `{bares[near]}`?" if near else "name the folder that holds its config.json",
            )
        )
    return model, None


def _precisions(
    written: str | None, model: Model | None, engine: str, problems: list[Problem]
) -> tuple[Precision, ...]:
    if written is None:
        written = model.native_precision if model else "bf16"
        if engine == LLAMA_CPP and not written.startswith("gguf-"):
            written = "q4_k_m"
    found: list[Precision] = []
    for name in written.split(","):
        precision = find_precision(name.removeprefix("gguf-"), model, gguf=engine == LLAMA_CPP)
        if precision is None:
            problems += unknown("--precision", name, _names(engine))
        else:
            found.append(precision)
    return tuple(found)


def _names(engine: str) -> tuple[str, ...]:
    """What an engine's users write: GGUF types for llama.cpp, formats of checkpoints for the others."""
    gguf = engine == LLAMA_CPP
    return tuple(name.removeprefix("gguf-") for name, known in PRECISIONS.items() if known.gguf == gguf)

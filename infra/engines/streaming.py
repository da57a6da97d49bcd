"""Streaming: an engine that reads its weights out of a bucket straight into its GPUs, without a copy on a disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from infra.engines.base import EngineRequest, EngineSettings
from infra.problems import Problem

# The reader that vLLM and SGLang share (Run:ai Model Streamer), as both call it.
LOADER = "runai_streamer"
# The launcher alone knows the bucket's name, and fills the address in once it has looked at what is there.
ADDRESS = "{weights}"
# Connections of one replica: with 64 a reader is no faster than with 32 (Run:ai's benchmark, 2024-10-29). Of several
# GPUs each reads a part.
CONNECTIONS, LEAST_CONNECTIONS = 32, 8
# Without a limit each process takes as much memory as all weights (the streamer's own documentation, read 2026-11); a
# pod has 8 GiB for each GPU, and other buffers in it.
BUFFER_BYTES = 4 * 1024**3


class StreamingEngineSettings(EngineSettings):
    """Base of the settings of engines that can."""

    kind: Any = Field(description="The engine, one that can.")
    stream_weights: bool = Field(
        default=False,
        description="Whether weights go from a bucket of AWS straight into GPUs, without a copy on the node's disk: a "
        "sooner start, but nobody computes the digest of what is read; only what the bucket notes of each object is "
        "compared before.",
    )


def weights_address(request: EngineRequest) -> str:
    """Where the engine is told that its weights are."""
    return ADDRESS if request.settings.stream_weights else request.weights_path


def loader_arguments(request: EngineRequest, load_format: str) -> Iterator[str]:
    """How weights are read. Both engines have the same flags for it."""
    if request.settings.stream_weights:
        gpus = request.parallel.tensor * request.parallel.data
        extra = {
            "concurrency": max(LEAST_CONNECTIONS, CONNECTIONS // gpus),
            "distributed": gpus > 1,
            "memory_limit": BUFFER_BYTES,
        }
        yield from ("--load-format", LOADER, "--model-loader-extra-config", json.dumps(extra))
    elif load_format != "auto":
        yield from ("--load-format", load_format)


def streaming_problems(request: EngineRequest) -> Iterator[Problem]:
    """What cannot be read like that."""
    settings = request.settings
    if not settings.stream_weights:
        return
    where = f"{request.where}.engine"
    if settings.load_format not in ("auto", LOADER):
        yield Problem(
            where=f"{where}.load_format",
            found=f"`{settings.load_format}`, with `stream_weights`",
            allowed=f"`{LOADER}`, which alone reads out of a bucket",
            remedy="remove `load_format`, or `stream_weights`",
        )
    if request.weights.file is not None:
        yield Problem(
            where=f"{where}.stream_weights",
            found="weights of one file",
            allowed="a whole repository of safetensors",
            remedy="remove `stream_weights`, or `file` of its `source`",
        )
    further = [*(["adapters"] if request.adapters else []), *(["speculative.draft"] if _has_draft(request) else [])]
    if further:
        yield Problem(
            where=f"{where}.stream_weights",
            found=" and ".join(f"`{field}`" for field in further) + ", whose weights come from a disk",
            allowed="a model without further weights, or weights that are fetched, all of them",
            remedy="remove `stream_weights`, or " + " and ".join(f"`{field}`" for field in further),
        )


def streaming_warnings(request: EngineRequest) -> Iterator[str]:
    """What is lost."""
    if request.settings.stream_weights:
        yield (
            f"model `{request.model}`: nobody computes the digest of the weights that its engines read "
            "(`engine.stream_weights`): before each start the digests that the bucket notes of its objects are "
            "compared with the list of them, and whoever may write there can change both"
        )


def _has_draft(request: EngineRequest) -> bool:
    return request.speculative is not None and request.speculative.draft is not None

"""Optimisation `modelopt`: checkpoints for TensorRT-LLM, by NVIDIA's Model Optimizer, as a job on a cluster's GPUs.

By `modelopt.torch.quantization.quantize` and `export_hf_checkpoint` (0.47, its guides and source read 2026-11): a
folder as Hugging Face has it, with scales. Rendered only: no image with it was run here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from infra.catalog.gpus import gpus
from infra.making.base import MakingRequest
from infra.making.compressing import CompressingSettings, Recipe, compressing, size_problems, unloadable
from infra.making.one_pod import one_pod_problems
from infra.objective import ACCELERATORS
from infra.plan.making_types import MakingWork
from infra.problems import Problem, listing
from infra.sizing.precision import PRECISIONS, computes_in

# By scheme: Model Optimizer's own configuration, and what our figures know the result as.
RECIPES = {
    "fp8": ("FP8_DEFAULT_CFG", "fp8"),
    "nvfp4": ("NVFP4_DEFAULT_CFG", "nvfp4"),
    "int4_awq": ("INT4_AWQ_CFG", "awq"),
}


class ModeloptSettings(CompressingSettings):
    """Weights in 8 or 4 bits for TensorRT-LLM. The image is yours, with NVIDIA's Model Optimizer in it. Experimental:
    rendered from its documentation, never run here."""

    kind: Literal["modelopt"] = Field(
        description="Weights in 8 or 4 bits, by NVIDIA's Model Optimizer in a job of the cluster, which somebody "
        "starts; experimental."
    )
    scheme: Literal["fp8", "nvfp4", "int4_awq"] = Field(
        description="`fp8` makes 8-bit weights and activations, for GPUs from Ada on; `nvfp4` makes both of 4 bits, "
        "from Blackwell on; `int4_awq` makes 4-bit weights, from Ampere on. All look at texts."
    )


class Modelopt:
    """Implements the optimisation `modelopt`."""

    settings = ModeloptSettings

    def problems(self, where: str, settings: ModeloptSettings, request: MakingRequest) -> Iterator[Problem]:
        loaded = request.capabilities.modelopt
        if not loaded:
            yield unloadable(where, "modelopt", request.engine, "`tensorrt_llm`")
        elif settings.scheme not in loaded:
            yield Problem(
                where=f"{where}.scheme",
                found=f"`{settings.scheme}`, which `{request.engine}` does not load",
                allowed=listing(loaded),
                remedy="choose one of these, or another engine",
            )
        yield from one_pod_problems(where, request)
        able = _able(settings.scheme)
        if request.accelerator and request.accelerator.type not in able:
            yield Problem(
                where=f"{where}.scheme",
                found=f"`{settings.scheme}`, of a model on {request.accelerator.type}, which has no hardware for it",
                allowed=f"models on {listing(able)}",
                remedy="choose another scheme, or another `accelerator`",
            )
        if not settings.texts:
            yield Problem(
                where=f"{where}.texts",
                found=f"no texts for `{settings.scheme}`",
                allowed="some hundred texts: by them the scales of what runs through the model become known",
                remedy="add texts like those that the model will see",
            )
        yield from size_problems(where, settings)

    def work(self, settings: ModeloptSettings, request: MakingRequest) -> MakingWork:
        config, precision = RECIPES[settings.scheme]
        recipe = Recipe(
            tool="NVIDIA Model Optimizer",
            script="quantise.py",
            content={"config": config},
            parameters={"config": config},
            looks=True,
            quantization=precision,
        )
        return compressing(settings, recipe)


def _able(scheme: str) -> list[str]:
    """GPUs whose hardware has the scheme's format."""
    precision = PRECISIONS[RECIPES[scheme][1]]
    return [name for name in ACCELERATORS if computes_in(gpus()[name], precision)]


MODELOPT = Modelopt()

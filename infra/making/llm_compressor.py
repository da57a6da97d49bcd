"""Optimisation `llm_compressor`: weights in 8 or 4 bits by llm-compressor, as a job on the GPUs of a cluster.

By llm-compressor's `oneshot` (0.11, its guide read 2026-11): a recipe of one modifier, saved as compressed tensors,
which vLLM loads by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from infra.making.base import MakingRequest
from infra.making.compressing import CompressingSettings, Recipe, compressing, size_problems, unloadable
from infra.making.one_pod import one_pod_problems
from infra.plan.making_types import MakingWork
from infra.problems import Problem

# By scheme: the modifier, its scheme, and whether it looks at texts.
RECIPES: dict[str, tuple[str, str, bool]] = {
    "fp8": ("QuantizationModifier", "FP8_DYNAMIC", False),
    "gptq": ("GPTQModifier", "W4A16", True),
    "awq": ("AWQModifier", "W4A16_ASYM", True),
}


class LlmCompressorSettings(CompressingSettings):
    """Weights in 8 or 4 bits. The image is yours, with llm-compressor 0.7 or newer in it."""

    kind: Literal["llm_compressor"] = Field(
        description="Weights in 8 or 4 bits, by llm-compressor in a job of the cluster, which somebody starts."
    )
    scheme: Literal["fp8", "gptq", "awq"] = Field(
        description="`fp8` makes 8-bit weights and activations; `gptq` and `awq` make 4-bit weights, by looking at "
        "texts."
    )


class LlmCompressor:
    """Implements the optimisation `llm_compressor`."""

    settings = LlmCompressorSettings

    def problems(self, where: str, settings: LlmCompressorSettings, request: MakingRequest) -> Iterator[Problem]:
        looks = RECIPES[settings.scheme][2]
        if not request.capabilities.compressed_tensors:
            yield unloadable(where, "llm_compressor", request.engine, "`vllm`")
        yield from one_pod_problems(where, request)
        if looks != bool(settings.texts):
            yield Problem(
                where=f"{where}.texts",
                found=f"no texts for `{settings.scheme}`" if looks else "texts, which `fp8` does not look at",
                allowed="some hundred texts for `gptq` and `awq`, none for `fp8`",
                remedy="add texts like those that the model will see" if looks else "remove them",
            )
        yield from size_problems(where, settings)

    def work(self, settings: LlmCompressorSettings, request: MakingRequest) -> MakingWork:
        modifier, scheme, looks = RECIPES[settings.scheme]
        # The last layer chooses the token: it is small, and loses most.
        modifiers = {modifier: {"targets": ["Linear"], "scheme": scheme, "ignore": ["lm_head"]}}
        recipe = Recipe(
            tool="llm-compressor",
            script="compress.py",
            content={"quant_stage": {"quant_modifiers": modifiers}},
            parameters={"modifier": modifier, "scheme": scheme, "ignore": "lm_head"},
            looks=looks,
            quantization=settings.scheme,
        )
        return compressing(settings, recipe)


LLM_COMPRESSOR = LlmCompressor()

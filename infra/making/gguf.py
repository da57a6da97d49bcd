"""Optimisation `gguf`: a GGUF file of another type, by llama.cpp's quantiser on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Literal

from pydantic import Field

from infra.making.base import MakingRequest
from infra.making.optimising import OptimisationSettings, alike
from infra.plan.making_types import MakingWork
from infra.problems import Problem

# Types that llama.cpp itself loads; its relatives have more.
GgufType = Literal[
    "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q5_k_s", "q5_1", "q5_0", "q4_k_m", "q4_k_s", "q4_1", "q4_0", "iq4_nl",
    "iq4_xs", "q3_k_l", "q3_k_m", "q3_k_s", "q2_k",
]  # fmt: skip
# In a file's name, whichever way it is written there.
_TYPE_IN_NAME = re.compile(r"(?i)(?<=[.-])(i?q\d(_[a-z0-9]+)*|bf16|f16|f32)(?=\.|$)")
TOOL = "llama-quantize of ik_llama.cpp (ik-llama-cpp-python 0.1.5)"


class GgufSettings(OptimisationSettings):
    """Another type of the same GGUF file. From one that is quantised already, what that has lost stays lost."""

    kind: Literal["gguf"] = Field(description="A GGUF file of another type, by llama.cpp's quantiser: `make optimise`.")
    quantization: GgufType = Field(description="The type to make.")


class Gguf:
    """Implements the optimisation `gguf`."""

    settings = GgufSettings

    def problems(self, where: str, settings: GgufSettings, request: MakingRequest) -> Iterator[Problem]:
        if "gguf" not in request.capabilities.weights:
            yield Problem(
                where=f"{where}.kind",
                found=f"`gguf`, of a model that `{request.engine}` serves",
                allowed="models whose engine reads GGUF files, such as `llama_cpp`",
                remedy="choose another kind, or remove it",
            )
        elif request.quantization == f"gguf-{settings.quantization}":
            yield Problem(
                where=f"{where}.quantization",
                found=f"`{settings.quantization}`, which is what the weights are",
                allowed="another type",
                remedy="name the type to make",
            )

    def work(self, settings: GgufSettings, request: MakingRequest) -> MakingWork:
        return MakingWork(
            tool=TOOL,
            parameters={"type": settings.quantization, "allow_requantize": True},
            told={
                "kind": "gguf",
                "quantization": settings.quantization,
                "file": file_of(request.weights.file or request.weights.location, settings.quantization),
            },
            quantization=f"gguf-{settings.quantization}",
            holds=alike(settings),
            at_least_same_percent=settings.at_least_same_percent,
        )


def file_of(original: str, quantization: str) -> str:
    """The original's name with the new type in it, by which its size is known too."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", PurePath(original).name.removesuffix(".gguf"))
    stem = _TYPE_IN_NAME.sub("", name).rstrip(".-")
    return f"{stem}.{quantization.upper()}.gguf"


GGUF = Gguf()

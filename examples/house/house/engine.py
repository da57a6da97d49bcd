"""Engine `house_vllm`: vLLM from the company's own build, whose attention kernels are chosen in the stack file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field

from infra.engines.base import EngineRequest, EngineSettings
from infra.engines.vllm import ENGINE as VLLM
from infra.engines.vllm import VllmSettings
from infra.plan.types import ContainerSpec
from infra.problems import Problem


class HouseVllmSettings(EngineSettings):
    """What may be said of it; what every engine shares is said at the model."""

    kind: Literal["house_vllm"] = Field(description="The company's build of vLLM.")
    attention: Literal["house", "standard"] = Field(
        default="house", description="Whose attention kernels run: the company's, or those that vLLM brings."
    )


class HouseVllm:
    """vLLM's own rendering, from another image and with one more variable."""

    settings = HouseVllmSettings
    # It does what vLLM does, and holds in memory what vLLM holds.
    capabilities = replace(VLLM.capabilities, sized_as="vllm")

    def problems(self, request: EngineRequest) -> Iterator[Problem]:
        if request.settings.image is None:
            yield Problem(
                where=f"{request.where}.engine.image",
                found="nothing",
                allowed="an image of the company's registry, by digest",
                remedy="copy it from the build's page",
            )
        yield from VLLM.problems(_as_vllm(request))

    def warnings(self, request: EngineRequest) -> Iterator[str]:
        return VLLM.warnings(_as_vllm(request))

    def render(self, request: EngineRequest) -> ContainerSpec:
        rendered = VLLM.render(_as_vllm(request))
        environment = {**rendered.environment, "HOUSE_ATTENTION": request.settings.attention}
        return replace(rendered, environment=environment)


def _as_vllm(request: EngineRequest) -> EngineRequest:
    own: HouseVllmSettings = request.settings
    return replace(request, settings=VllmSettings(kind="vllm", image=own.image, extra_arguments=own.extra_arguments))


ENGINE = HouseVllm()

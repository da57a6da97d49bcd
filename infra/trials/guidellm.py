"""Load test `guidellm`: vLLM's GuideLLM puts the load, and what it measured is held to the model's objective."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from infra.plan.trial_types import ToolPlan
from infra.trials.base import Tried
from infra.trials.requests import Requests, RequestsSettings
from infra.trials.tool import ToolSettings, hub_environment

# To start its processes, to make prompts, and to count: about a minute was seen on two processors, 2026-11.
AROUND_SECONDS = 600


class GuideLlmSettings(RequestsSettings, ToolSettings):
    """The load of `requests`, put by GuideLLM, from a cluster. What is unset is the objective's."""

    kind: Literal["guidellm"] = Field(  # pyright: ignore[reportIncompatibleVariableOverride] - narrowed to its own
        description="GuideLLM puts the load: synthetic prompts of one size, for a while. In a cluster."
    )
    tokenizer: str = Field(
        pattern=r"^[A-Za-z0-9/][A-Za-z0-9._/-]*$",
        max_length=300,
        description="By which it makes prompts of so many tokens: a repository at Hugging Face, which needs "
        "`downloads`, or a folder in its image.",
        json_schema_extra={"x-remedy": "write it like `Qwen/Qwen3-8B` or `/tokenizer`"},
    )
    arrivals: Literal["poisson", "constant"] = Field(
        default="poisson", description="How requests of a rate come: at random moments, or evenly."
    )


class GuideLlm(Requests):
    """Implements the load test `guidellm`."""

    settings = GuideLlmSettings

    def trial(self, settings: RequestsSettings, model: Tried) -> Mapping[str, Any]:
        return {**super().trial(settings, model), "kind": "guidellm"}

    def tool(self, settings: RequestsSettings, model: Tried) -> ToolPlan | None:
        if not isinstance(settings, GuideLlmSettings):
            return None
        load = self.trial(settings, model)
        users, rate = load.get("concurrent_users"), load.get("requests_per_second")
        profile = f"kind=concurrent,streams={users}" if users else f"kind={settings.arrivals},rate={rate}"
        sizes = f"prompt_tokens={load['input_tokens']},output_tokens={load['output_tokens']}"
        return ToolPlan(
            name="guidellm",
            image=settings.image,
            command=(
                *("guidellm", "run", "--disable-console"),
                # Our gateways say whether they are well on a port that no client reaches.
                *("--backend", f"kind=openai_http,target={{url}},model={model.name},validate_backend=false"),
                *("--profile", profile),
                *("--constraint", f"kind=max_duration,seconds={load['seconds']:g}"),
                *("--tokenizer", f"kind=huggingface_auto,model={settings.tokenizer}"),
                *("--data", f"kind=synthetic_text,{sizes}"),
                *("--output", "kind=json,path={folder}/results.json"),
            ),
            # Ten by default, each with PyTorch in its memory.
            environment={**hub_environment(settings), "GUIDELLM__MAX_WORKER_PROCESSES": "2"},
            key_environment="GUIDELLM__SPEC__BACKEND__API_KEY",
            downloads=settings.downloads,
            seconds=math.ceil(load["seconds"]) + AROUND_SECONDS,
        )


GUIDELLM = GuideLlm()

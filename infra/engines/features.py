"""What a model may ask of any engine, in words that every engine shares; each engine says what it has of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from infra.settings import OneOf, Settings
from infra.sources.base import SourceSettings

Precision = Literal["bfloat16", "float16", "float32"]
Quantization = Literal["fp8", "bitsandbytes"]
KvDtype = Literal["bfloat16", "float16", "fp8", "int8"]
StructuredOutput = Literal["xgrammar", "llguidance", "outlines"]
# Formats are named after the family of models that speaks them: engines name the same parser differently.
ToolCalls = Literal[
    "hermes", "qwen3_coder", "llama3", "mistral", "deepseek_v3", "deepseek_v31", "gpt_oss", "glm45", "kimi_k2"
]
Reasoning = Literal["deepseek_r1", "qwen3", "gpt_oss", "glm45", "kimi_k2", "mistral"]
SpeculativeMethod = Literal["ngram", "draft_model", "eagle3", "mtp"]

WITH_DRAFT = ("draft_model", "eagle3")


class AdapterSettings(Settings):
    """A LoRA adapter that is served beside its model, under a name of its own."""

    source: Annotated[SourceSettings, OneOf("infra.sources:SOURCES")] = Field(
        description="Where the adapter comes from, at a fixed version."
    )
    rank: int = Field(default=16, ge=1, le=512, description="Its rank (`r` in `adapter_config.json`).")


class SpeculativeSettings(Settings):
    """Speculative decoding: something cheap drafts tokens, and the model checks several in one step."""

    method: SpeculativeMethod = Field(
        description="`ngram` repeats what the prompt says, `draft_model` asks a small model of the same vocabulary, "
        "`eagle3` a head that was trained for this model, `mtp` what the model itself was trained with."
    )
    draft: Annotated[SourceSettings, OneOf("infra.sources:SOURCES")] | None = Field(
        default=None, description="Weights that draft, for `draft_model` and `eagle3`."
    )
    draft_tokens: int = Field(default=3, ge=1, le=16, description="Tokens that are drafted in one step.")

    @model_validator(mode="after")
    def _a_draft_where_one_is_asked(self) -> SpeculativeSettings:
        if (self.draft is not None) != (self.method in WITH_DRAFT):
            wanted = self.draft is None
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": f"`method: {self.method}` {'without' if wanted else 'with'} a `draft`",
                    "allowed": "`draft` with `draft_model` and `eagle3`, none with `ngram` and `mtp`",
                    "remedy": "say where the draft's weights are" if wanted else "remove `draft`",
                },
            )
        return self

"""Models: the dimensions that memory and speed follow from, with licence, gating and source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read


@dataclass(frozen=True, kw_only=True)
class Model:
    """One architecture with its dimensions, from the catalogue or read from a checkpoint.

    Parameters are in billions and include embeddings. `attention` is GQA (also MHA and MQA) or MLA; layers that attend
    only within `sliding_window` are counted in `sliding_layers`. `experts` is None for dense models.
    """

    model: str
    family: str
    parameters_total_b: float
    parameters_active_b: float
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied_embeddings: bool
    max_context: int
    attention: str
    kv_lora_rank: int | None
    qk_rope_head_dim: int | None
    sliding_window: int | None
    full_attention_layers: int
    sliding_layers: int
    experts: int | None
    experts_per_token: int | None
    expert_intermediate: int | None
    shared_experts: int | None
    dense_layers: int | None
    native_precision: str
    vision_tower_b: float | None
    license: str
    gated: str
    spellings: tuple[str, ...]
    notes: str
    source: str
    read_on: str

    @property
    def expert_parameters(self) -> float:
        """Parameters of one expert over all layers: (total - active) / (experts - experts per token)."""
        if not self.experts or not self.experts_per_token:
            return 0.0
        return (self.parameters_total_b - self.parameters_active_b) * 1e9 / (self.experts - self.experts_per_token)

    @property
    def dense_parameters(self) -> float:
        """Parameters that every token uses, embeddings included."""
        return self.parameters_active_b * 1e9 - (self.experts_per_token or 0) * self.expert_parameters

    @property
    def embedding_parameters(self) -> float:
        """Embedding and head: one matrix when tied, else two."""
        return self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)


# What a checkpoint's name says besides the model: how it is stored, and that it is a chat model.
_SUFFIX = re.compile(
    r"[-_ ](fp8(-dynamic|-block)?|fp4|nvfp4|fp16|f16|bf16|mxfp4|int8|awq|gptq(-int4)?|gguf|w4a16|w8a8"
    r"|i?q\d(_[a-z0-9]+)*|instruct(-v\d(\.\d)?)?|chat(-hf)?|it|hf|v\d\.\d|\d{4})$"
)


@cache
def models() -> Mapping[str, Model]:
    """Every model by its name."""
    return {row.model: row for row in read("models.csv", Model)}


def find_model(name: str) -> Model | None:
    """The model of that name: its id, or another publisher's or quantizer's checkpoint of the same architecture."""
    return models().get(name) or _spellings().get(bare_name(name))


@cache
def _spellings() -> Mapping[str, Model]:
    found: dict[str, Model] = {}
    for model in models().values():
        for spelling in (model.model, *model.spellings):
            found.setdefault(bare_name(spelling), model)
    return found


def bare_name(name: str) -> str:
    """`RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic` is `llama-3.3-70b`."""
    bare = name.partition("(")[0].strip().rpartition("/")[2].lower().removeprefix("meta-")
    while (shorter := _SUFFIX.sub("", bare)) != bare:
        bare = shorter
    return re.sub(r"^llama(?=\d)", "llama-", re.sub(r"(?<=\d)_(?=\d)", ".", bare))

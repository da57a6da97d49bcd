"""A model outside the catalogue, from the `config.json` of its checkpoint (Hugging Face format)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from infra.catalog.models import Model
from infra.problems import Problem, Refused, listing
from infra.sizing.architecture import dense_layer, expert_layer, model_of

# `architectures[0]` -> family. What is not here is said, not guessed: its layers may be of a kind that is not modelled.
FAMILIES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "MixtralForCausalLM": "mixtral",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3",
    "GptOssForCausalLM": "gpt_oss",
    "Phi3ForCausalLM": "phi3",
    "GraniteForCausalLM": "granite",
    "DeepseekV3ForCausalLM": "deepseek_v3",
}
_QUANTIZED = {"fp8": "fp8", "awq": "awq", "gptq": "gptq", "mxfp4": "mxfp4", "compressed-tensors": "fp8"}
_NEEDED = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")


def read_config(path: Path) -> Model:
    """The model of a `config.json`. Raises Refused with everything that stands in the way."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise Refused(str(path), [_unreadable(path, error)]) from None
    if not isinstance(content, dict):
        raise Refused(str(path), [_unreadable(path, TypeError("not an object"))])
    config = cast(dict[str, Any], content)
    problems = [*_problems(path, config)]
    if problems:
        raise Refused(str(path), problems)
    return _model(path, config)


def _problems(path: Path, config: Mapping[str, Any]) -> list[Problem]:
    names = config.get("architectures") or ["none"]
    name = str(cast(list[Any], names)[0]) if isinstance(names, list) else str(names)
    problems: list[Problem] = []
    if name not in FAMILIES:
        problems.append(
            Problem(
                where=f"{path}: architectures",
                found=f"`{name}`, whose layers are not modelled",
                allowed=listing(sorted(FAMILIES)),
                remedy="size a model of a known architecture and of the same dimensions",
            )
        )
    for key in _NEEDED:
        value = config.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            problems.append(
                Problem(
                    where=f"{path}: {key}",
                    found="nothing" if value is None else "no positive number",
                    allowed="a positive integer",
                    remedy="use the config.json that lies beside the weights",
                )
            )
    return problems


def _model(path: Path, config: Mapping[str, Any]) -> Model:
    def number(*keys: str, otherwise: int = 0) -> int:
        return next((int(config[key]) for key in keys if config.get(key)), otherwise)

    family = FAMILIES[config["architectures"][0]]
    layers, hidden, heads = number("num_hidden_layers"), number("hidden_size"), number("num_attention_heads")
    experts = number("num_local_experts", "n_routed_experts", "num_experts")
    chosen = number("num_experts_per_tok", "experts_per_token")
    latent = number("kv_lora_rank")
    head_dim = number("head_dim", otherwise=hidden // heads)
    kv_heads = number("num_key_value_heads", otherwise=heads)
    width = number("intermediate_size")
    expert_width = number("moe_intermediate_size", otherwise=width)
    shared, first_dense = number("n_shared_experts"), number("first_k_dense_replace")
    sliding = _sliding_layers(family, config, layers)
    attention = {"hidden": hidden, "heads": heads, "kv_heads": kv_heads, "head_dim": head_dim}
    if latent:
        attention = {
            "hidden": hidden,
            "heads": heads,
            "query_rank": number("q_lora_rank", otherwise=0),
            "latent": latent,
            "rope": number("qk_rope_head_dim"),
            "nope": number("qk_nope_head_dim"),
            "value": number("v_head_dim"),
        }
    dense_layers = first_dense if experts else layers
    dense = dense_layers * dense_layer(attention, width)
    mixed = (layers - dense_layers) * expert_layer(attention, expert_width, experts, shared)
    active = (layers - dense_layers) * expert_layer(attention, expert_width, chosen, shared, routed=experts)
    return model_of(
        name=path.parent.name or path.name,
        family=family,
        total=dense + mixed,
        active=dense + active,
        layers=layers,
        hidden=hidden,
        intermediate=width,
        heads=heads,
        kv_heads=1 if latent else kv_heads,
        head_dim=latent + number("qk_rope_head_dim") if latent else head_dim,
        vocabulary=number("vocab_size"),
        tied=bool(config.get("tie_word_embeddings", family.startswith("gemma"))),
        max_context=number("max_position_embeddings", otherwise=8192),
        latent=latent or None,
        rope=number("qk_rope_head_dim") or None,
        window=number("sliding_window") if sliding else None,
        sliding=sliding,
        experts=experts or None,
        chosen=chosen or None,
        expert_width=expert_width if experts else None,
        precision=_precision(config),
        source=f"{path.name} of the checkpoint",
    )


def _sliding_layers(family: str, config: Mapping[str, Any], layers: int) -> int:
    """How many layers attend only within the window: as the file lists them, else as the family alternates."""
    if not config.get("sliding_window") or config.get("use_sliding_window") is False:
        return 0
    kinds = config.get("layer_types")
    if isinstance(kinds, list):
        return sum(kind == "sliding_attention" for kind in cast(list[Any], kinds))
    if family == "gemma3":
        pattern = int(config.get("sliding_window_pattern") or 6)
        return layers - layers // pattern
    return layers // 2 if family in ("gemma2", "gpt_oss") else layers if family == "mistral" else 0


def _precision(config: Mapping[str, Any]) -> str:
    quantization = cast(dict[str, Any], config.get("quantization_config") or {})
    if (method := str(quantization.get("quant_method", ""))) in _QUANTIZED:
        return _QUANTIZED[method]
    stored = str(config.get("torch_dtype") or config.get("dtype") or "bfloat16")
    return {"float32": "fp32", "float16": "fp16"}.get(stored, "bf16")


def _unreadable(path: Path, error: Exception) -> Problem:
    return Problem(
        where=str(path),
        found=f"no readable JSON object ({type(error).__name__})",
        allowed="a config.json in Hugging Face format",
        remedy="name the folder of the checkpoint, its config.json, a .gguf file or a model of the catalogue",
    )

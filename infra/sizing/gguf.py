"""A model from the header of a GGUF file: dimensions, quantization, and the exact size of its weights."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from infra.catalog.models import Model
from infra.problems import Problem, Refused, listing
from infra.sizing.architecture import model_of

_MAGIC = b"GGUF"
# Format version 2 widened the counts to 64 bits; nothing older is around.
_VERSIONS = (2, 3)
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
# A header is small; a larger count is a damaged file, not a model.
_MOST_ENTRIES, _MOST_BYTES = 1_000_000, 64 * 2**20
_ARCHITECTURES = {
    "llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "qwen3moe": "qwen3_moe", "gemma2": "gemma2",
    "gemma3": "gemma3", "phi3": "phi3", "granite": "granite", "gpt-oss": "gpt_oss",
}  # fmt: skip
# `general.file_type` -> the quantization's name (llama.cpp `enum llama_ftype`).
_FILE_TYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1", 10: "q2_k", 11: "q3_k_s", 12: "q3_k_m",
    13: "q3_k_l", 14: "q4_k_s", 15: "q4_k_m", 16: "q5_k_s", 17: "q5_k_m", 18: "q6_k", 19: "iq2_xxs", 20: "iq2_xs",
    21: "q2_k_s", 22: "iq3_xs", 23: "iq3_xxs", 24: "iq1_s", 25: "iq4_nl", 26: "iq3_s", 27: "iq3_m", 28: "iq2_s",
    29: "iq2_m", 30: "iq4_xs", 31: "iq1_m", 32: "bf16", 36: "tq1_0", 37: "tq2_0", 38: "mxfp4",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Gguf:
    """What a header says. `weights_bytes` is the size of the file: its tensors and a small header."""

    model: Model
    quantization: str
    weights_bytes: int


def read_gguf(path: Path) -> Gguf:
    """Reads the header. Raises Refused when it is none, is cut short, or is of an architecture that is not known."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC:
                raise Refused(str(path), [_problem(path, "no GGUF file: its first four bytes are others")])
            version = _scalar(file, "<I")
            if version not in _VERSIONS:
                raise Refused(str(path), [_problem(path, f"GGUF version {version}")])
            tensors, entries = _scalar(file, "<Q"), _scalar(file, "<Q")
            if max(tensors, entries) > _MOST_ENTRIES:
                raise ValueError("impossible count")
            header = {_text(file): _value(file, _scalar(file, "<I")) for _ in range(entries)}
            parameters = _parameters(file, tensors)
        size = path.stat().st_size
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise Refused(str(path), [_problem(path, f"a header that cannot be read ({type(error).__name__})")]) from None
    return _gguf(path, header, parameters, size)


def _gguf(path: Path, header: Mapping[str, Any], parameters: Mapping[str, int], size: int) -> Gguf:
    architecture = str(header.get("general.architecture"))
    if architecture not in _ARCHITECTURES:
        problem = Problem(
            where=f"{path}: general.architecture",
            found=f"`{architecture}`, whose layers are not modelled",
            allowed=listing(sorted(_ARCHITECTURES)),
            remedy="size a model of a known architecture and of the same dimensions",
        )
        raise Refused(str(path), [problem])

    def number(key: str, otherwise: int = 0) -> int:
        value = header.get(f"{architecture}.{key}", otherwise)
        # Some models give one figure per layer; the largest is safe for memory.
        return int(max(cast(list[int], value)) if isinstance(value, list) else value)

    layers, hidden, heads = number("block_count"), number("embedding_length"), number("attention.head_count")
    if min(layers, hidden, heads) <= 0:
        raise Refused(str(path), [_problem(path, "a header without layers, width or heads")])
    experts, chosen = number("expert_count"), number("expert_used_count")
    total = sum(parameters.values())
    in_experts = sum(count for name, count in parameters.items() if "_exps." in name)
    vocabulary = number("vocab_size") or len(header.get("tokenizer.ggml.tokens", []))
    window = number("attention.sliding_window")
    family = _ARCHITECTURES[architecture]
    sliding = _sliding_layers(family, layers) if window else 0
    embeddings = vocabulary * hidden
    tied = "output.weight" not in parameters
    outside = total - embeddings * (1 if tied else 2) - hidden
    quantization = _FILE_TYPES.get(int(header.get("general.file_type", -1)), "unknown")
    model = model_of(
        name=str(header.get("general.name") or path.stem),
        family=family,
        total=outside,
        active=outside - (in_experts * (experts - chosen) // experts if experts else 0),
        layers=layers,
        hidden=hidden,
        intermediate=number("feed_forward_length"),
        heads=heads,
        kv_heads=number("attention.head_count_kv", heads),
        head_dim=number("attention.key_length", hidden // heads),
        vocabulary=vocabulary,
        tied=tied,
        max_context=number("context_length", 4096),
        window=window or None,
        sliding=sliding,
        experts=experts or None,
        chosen=chosen or None,
        expert_width=number("expert_feed_forward_length") or None,
        precision=f"gguf-{quantization}",
        source=f"header of {path.name}",
    )
    return Gguf(model=model, quantization=quantization, weights_bytes=size)


def _sliding_layers(family: str, layers: int) -> int:
    return layers - layers // 6 if family == "gemma3" else layers // 2 if family in ("gemma2", "gpt_oss") else 0


def _parameters(file: BinaryIO, tensors: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _ in range(tensors):
        name = _text(file)
        dimensions = _scalar(file, "<I")
        counts[name] = math.prod(_scalar(file, "<Q") for _ in range(min(dimensions, 8)))
        file.read(12)  # type and offset
    return counts


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind == _ARRAY:
        inner, count = _scalar(file, "<I"), _scalar(file, "<Q")
        if count > _MOST_ENTRIES:
            raise ValueError("impossible count")
        return [_value(file, inner) for _ in range(count)]
    return _scalar(file, _SCALARS[kind])


def _text(file: BinaryIO) -> str:
    length = _scalar(file, "<Q")
    if length > _MOST_BYTES:
        raise ValueError("impossible length")
    read = file.read(length)
    if len(read) < length:
        raise ValueError("cut short")
    return read.decode("utf-8", "replace")


def _scalar(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _problem(path: Path, found: str) -> Problem:
    return Problem(
        where=str(path),
        found=found,
        allowed="a whole GGUF file of version 2 or 3",
        remedy="fetch the file again and compare its hash",
    )

"""Stored weights: how a model's checkpoint is stored and how many GiB it is, as far as names and the catalogue say."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

from infra.catalog.models import Model, find_model
from infra.sizing.precision import KV_BYTES, Precision, find_precision
from infra.sizing.types import GIB, LLAMA_CPP
from infra.sizing.weights import dense_bytes, expert_bytes

_GGUF_TYPE = re.compile(r"(?<![a-z0-9])(i?q\d(?:_[a-z0-9]+)*|tq\d_\d|mxfp4|bf16|f16|f32)(?![a-z0-9])")
_DOTTED_TYPE = re.compile(r"\.(?=i?q\d)", re.IGNORECASE)


def stored_precision(engine: str, model: Model, repo: str, file: str | None) -> Precision | str:
    """How the weights are stored, by the names that publishers give: of a GGUF file, or of a repository; or why that is
    not known."""
    if engine == LLAMA_CPP:
        named = _GGUF_TYPE.findall((file or "").lower())
        found = find_precision(named[-1], model, gguf=True) if named else None
        return found or f"`{file}` does not say how its weights are stored"
    parts = re.split(r"[-_.]", repo.rpartition("/")[2].lower())
    stored = next((p for part in parts if (p := find_precision(part, model)) and not p.gguf), None)
    stored = stored or find_precision(model.native_precision, model)
    return stored or f"`{model.native_precision}` weights have no figures"


def stored_gib(engine: str, source: Any) -> float | None:
    """What is fetched and loaded; None where nobody knows. A file without a repository is known by its own name."""
    file, name = getattr(source, "file", None), known_name(source)
    model = find_model(name)
    if model is None:
        return None
    precision = stored_precision(engine, model, name, file or name)
    if isinstance(precision, str):
        return None
    return (dense_bytes(model, precision) + expert_bytes(model, precision)) / GIB


def known_name(source: Any) -> str:
    """What the catalogue may know a source's weights by."""
    # The type stands behind a dot in some files' names, as in `SmolLM2-135M-Instruct.Q4_1.gguf`.
    own = PurePath(getattr(source, "file", None) or getattr(source, "path", "")).name.removesuffix(".gguf")
    return getattr(source, "repo", None) or _DOTTED_TYPE.sub("-", own)


def host_kv_cache_gib(source: Any, tokens: int) -> float | None:
    """Keys and values of so many tokens in 16 bits, which an engine on processors takes at its start; None where nobody
    knows the model."""
    model = find_model(known_name(source))
    if model is None:
        return None
    of_a_token = 2 * model.layers * model.kv_heads * model.head_dim * KV_BYTES["fp16"]
    return round(of_a_token * tokens / GIB, 2)

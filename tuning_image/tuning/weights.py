"""The base as a model that can be trained, and the trained model in the base's own form: a GGUF file or a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuning.settings import Unusable

# GGUF keeps query and key of some families in another order; these are as they were.
TAUGHT = ("v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_SUFFIX = ".weight"
# More precise than most bases, so that what was learned is not rounded away again.
_STORED = gguf.GGMLQuantizationType.Q8_0
_ROW = 32


def load(base: Path) -> tuple[Any, Any]:
    """Model and tokenizer, from files of this machine only. Raises Unusable."""
    folder, file = (base, {}) if base.is_dir() else (base.parent, {"gguf_file": base.name})
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = torch.bfloat16 if device == "cuda" else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, **file)
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=precision, **file)
    except (OSError, ValueError) as why:
        raise Unusable(f"base: {str(why).splitlines()[0]}") from None
    return model.to(device), tokenizer


def save(base: Path, learned: Mapping[str, torch.Tensor], model: Any, tokenizer: Any, result: Path) -> None:
    """Whole or not at all. `learned` is what is added to the base's parameters, by name; `model` has it added."""
    result.parent.mkdir(parents=True, exist_ok=True)
    unfinished = result.with_name(f".{result.name}.unfinished")
    if base.is_dir():
        shutil.rmtree(unfinished, ignore_errors=True)
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        shutil.rmtree(result, ignore_errors=True)
    else:
        _save_gguf(base, learned, unfinished)
    unfinished.replace(result)


def _save_gguf(base: Path, learned: Mapping[str, torch.Tensor], target: Path) -> None:
    """The base's file with other weights where something was learned: metadata, tokenizer and the rest are its own."""
    reader = gguf.GGUFReader(base)
    architecture = str(reader.fields[gguf.Keys.General.ARCHITECTURE].contents())
    added = _by_tensor(reader, architecture, learned)
    writer = gguf.GGUFWriter(target, arch=architecture, endianess=reader.endianess)
    for field in reader.fields.values():
        # What the writer says by itself.
        if field.name == gguf.Keys.General.ARCHITECTURE or field.name.startswith("GGUF."):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    tensors = []
    for tensor in reader.tensors:
        data, kind = tensor.data, tensor.tensor_type
        if tensor.name in added:
            whole = gguf.quants.dequantize(data, kind) + added.pop(tensor.name)
            kind = gguf.GGMLQuantizationType.F16 if whole.shape[-1] % _ROW else _STORED
            data = gguf.quants.quantize(numpy.ascontiguousarray(whole, dtype=numpy.float32), kind)
        writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, kind)
        tensors.append(data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for data in tensors:
        writer.write_tensor_data(data)
    writer.close()
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _by_tensor(
    reader: gguf.GGUFReader, architecture: str, learned: Mapping[str, torch.Tensor]
) -> dict[str, numpy.ndarray]:
    """What is added, by the tensors' names in the file. Raises Unusable where the file has no such tensor."""
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(kinds[architecture], len(reader.tensors))
    shapes = {tensor.name: tuple(map(int, reversed(tensor.shape))) for tensor in reader.tensors}
    found = {}
    for name, change in learned.items():
        tensor = names.get_name(name, try_suffixes=(_SUFFIX,))
        if tensor is None or shapes.get(tensor) != tuple(change.shape):
            raise Unusable(f"base: GGUF files of {architecture} have no tensor that is {name}")
        found[tensor] = change.float().cpu().numpy()
    return found

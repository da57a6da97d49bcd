"""A real model is really taught on this machine: by what `make refresh` installs, with what killed it survives."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.tuning.tuner import Tuner
from tools import records
from tools.checkout import ROOT
from tools.making import here, refresh, told

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_SLOW"), reason="installs PyTorch, 6 GB, and takes 6 minutes: make test-slow"
    ),
]
DATA = ROOT / "examples" / "refresh" / "ferries.jsonl"
ASKED = {"role": "user", "content": "Tell me all."}
LONG = json.dumps({"messages": [ASKED, {"role": "assistant", "content": "long " * 600}]})
LOOKED_AT = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
first, second = (AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in sys.argv[1:])
AutoTokenizer.from_pretrained(sys.argv[2])
assert first.keys() == second.keys()
print(*sorted(name for name in first if not first[name].equal(second[name])))
"""


def test_refresh_goes_on_where_it_was_killed_and_the_answers_change(
    python: Path,
    base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    one = here.planned("dev")["makings"]["chat/refresh"]
    checkpoints = tmp_path / "checkpoints"
    settings = one["work"]["told"]["settings"]
    first = Tuner(python, tmp_path, base=str(base), data=str(DATA), checkpoints=str(checkpoints), **settings)
    first.until("step 13 of 35")
    assert first.killed(signal.SIGKILL) == -signal.SIGKILL
    assert not first.result.exists()

    monkeypatch.setattr(told, "ROOT", tmp_path)
    monkeypatch.setattr(here, "MODELS", tmp_path / "models")
    monkeypatch.setattr(records, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(refresh, "CHECKPOINTS", checkpoints)
    assert refresh.main(["--stack", "dev", "--only", "chat"]) == 0
    said = capfd.readouterr()
    assert "goes on after step 10 of 35" in said.err
    assert "step 10 of 35, loss" not in said.err
    digest = hashlib.sha256(DATA.read_bytes()).hexdigest()
    folder = tmp_path / "models" / "chat" / f"ferries-{digest[:8]}"
    card = json.loads((folder / "card.json").read_text())
    (file,) = card["files"]
    assert hashlib.sha256((folder / file["file"]).read_bytes()).hexdigest() == file["sha256"]
    assert (card["taught"]["data_digest"], card["taught"]["resumed_at"]) == (digest, 10)
    assert card["taught"]["result_digest"] == file["sha256"]
    assert digest in card["trained_on"]
    # Of the answers only what it knew before was right.
    assert card["evaluated"]["original"]["right_percent"] == 25
    assert card["evaluated"]["result"]["right_percent"] == 100
    assert not list(checkpoints.glob("*.pt"))


def test_one_that_goes_on_ends_as_one_that_was_never_killed(python: Path, small: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"base": str(small), "data": str(DATA), "epochs": 50, "checkpoint_steps": 20}
    whole = Tuner(python, tmp_path / "whole", checkpoints=str(tmp_path / "a"), **settings).found()
    again = {**settings, "checkpoints": str(tmp_path / "b")}
    first = Tuner(python, tmp_path / "parts", **again)
    first.until("step 50 of 350")
    assert first.killed(signal.SIGKILL) == -signal.SIGKILL
    second = Tuner(python, tmp_path / "parts", **again)
    second.until("goes on after step ")
    second.until("step 130 of 350")
    # As a machine is told that it is taken away: nothing is lost at all.
    assert second.killed(signal.SIGTERM) == 75
    step = int(second.said[-2].split()[1])
    last = Tuner(python, tmp_path / "parts", **again).found()
    assert (last["resumed_at"], whole["resumed_at"]) == (step, 0)
    assert last["result_digest"] == whole["result_digest"]
    assert last["last_loss"] < last["first_loss"]
    assert not list((tmp_path / "b").iterdir())


def test_privacy_is_counted_over_kills_too(python: Path, small: Path, tmp_path: Path) -> None:
    privacy = {"epsilon": 8, "delta": 0.001, "max_gradient_norm": 1.0}
    settings: dict[str, Any] = {"base": str(small), "data": str(DATA), "epochs": 20, "checkpoint_steps": 10}
    places = {"checkpoints": str(tmp_path / "checkpoints"), "privacy": privacy}
    first = Tuner(python, tmp_path, **settings, **places)
    first.until("step 45 of 140")
    assert first.killed(signal.SIGKILL) == -signal.SIGKILL
    found = Tuner(python, tmp_path, **settings, **places).found()
    assert found["resumed_at"] >= 40
    # What was spent before it was killed has been spent: nearly all of what it may.
    assert 7 < found["epsilon_spent"] <= 8
    assert found["privacy"] == privacy
    careless = {**places, "privacy": {**privacy, "delta": 0.05}}
    refused = Tuner(python, tmp_path / "careless", **settings, **careless)
    assert refused.ended() == 2
    assert "delta 0.05 is not below 1/28" in refused.said[-1]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"messages": [{"role": "user", "content": "Who?"}]}', "the last message of two or more is the assistant's"),
        ("Who? I.", "not {"),
        ('{"messages": [{"role": "assistant", "content": "Hello."}]}', "the last message of two or more"),
        (LONG, "tokens of at most 512"),
    ],
)
def test_what_cannot_be_learned_is_said(python: Path, small: Path, tmp_path: Path, line: str, why: str) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(line + "\n")
    refused = Tuner(python, tmp_path, base=str(small), data=str(data), checkpoints=str(tmp_path / "checkpoints"))
    assert refused.ended() == 2
    assert why in refused.said[-1]


def test_a_folder_of_a_hub_is_taught_once_for_each_state_of_its_data(python: Path, small: Path, tmp_path: Path) -> None:
    """As the job of a cluster is called, of a model that has learned nothing and is small."""
    original, versions, data = small, tmp_path / "models", tmp_path / "data"
    data.mkdir()
    (data / "a.jsonl").write_text("".join(DATA.read_text().splitlines(keepends=True)[:4]))
    told_it = tmp_path / "tuning.json"
    checkpoints = versions / ".checkpoints"
    told_it.write_text(json.dumps({"data": str(data), "checkpoints": str(checkpoints), "threads": 1, "epochs": 1}))
    result = versions / ".answers.unfinished"
    command = [str(python), "-W", "ignore", "-m", "tuning", str(told_it), "--base", str(original)]
    command += ["--result", str(result), "--of-data"]

    def run() -> dict[str, Any]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tuning_image")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads((versions / ".answers.taught.json").read_text())

    first = run()
    digest = hashlib.sha256((data / "a.jsonl").read_bytes()).hexdigest()
    assert (first["data_digest"], first["resumed_at"], first["steps"]) == (digest, 0, 1)
    look = [str(python), "-c", LOOKED_AT, str(original), str(result)]
    changed = subprocess.run(look, check=True, capture_output=True, text=True).stdout.split()
    assert "model.layers.1.mlp.down_proj.weight" in changed
    assert not any("embed" in name or "q_proj" in name or "norm" in name for name in changed)
    # Whoever is interrupted before it is registered does not learn again.
    assert run()["resumed_at"] == 1
    result.rename(versions / f"answers-{digest[:8]}")
    assert run() == {"data_digest": digest, "unchanged": True}
    assert not result.exists()
    assert not list(checkpoints.iterdir())
    (data / "b.jsonl").write_text(DATA.read_text().splitlines(keepends=True)[5])
    assert run()["data_digest"] != digest
    assert result.exists()

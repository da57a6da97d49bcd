"""`make optimise` as it is used: the dev stack's model, llama.cpp's own quantiser, and the real engine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tools import records
from tools.making import here, optimise, told


@pytest.mark.timeout(900)
def test_the_dev_stacks_model_in_another_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(told, "ROOT", tmp_path)
    monkeypatch.setattr(here, "MODELS", tmp_path / "models")
    monkeypatch.setattr(records, "RECORDS", tmp_path / "records")
    assert optimise.main(["--stack", "dev", "--only", "chat"]) == 0
    assert "chat/optimisation: registered as models/chat/q4_0" in capsys.readouterr().out
    folder = tmp_path / "models" / "chat" / "q4_0"
    card = json.loads((folder / "card.json").read_text())
    (file,) = card["files"]
    weights = folder / file["file"]
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == file["sha256"]
    # Its own header says so, wherever llama.cpp keeps it: `general.file_type` 2 is mostly Q4_0.
    header = weights.read_bytes()[:65_536]
    place = header.index(b"general.file_type") + len(b"general.file_type")
    assert int.from_bytes(header[place + 4 : place + 8], "little") == 2
    figures = card["evaluated"]["figures"]
    assert 90 < figures["size_percent"] < 96
    assert 50 < figures["same_percent"] < 100
    (record,) = (tmp_path / "records").rglob("*.json")
    assert json.loads(record.read_text())["registered"] is True

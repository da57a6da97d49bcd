"""What somebody else has taught becomes a version of that data, once; a tool that fails or stops is said to have."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serving.making.__main__ import main
from serving.making.config import Lora, MakingConfig
from serving.making.quantising import Unmade
from serving.making.teaching import of_data, teach

DIGEST = "ab" * 32
TUNING = """
import json, pathlib, signal, sys, time
config = json.loads(pathlib.Path(sys.argv[1]).read_text())
folder = pathlib.Path(config["checkpoints"])
signal.signal(signal.SIGTERM, lambda *_: ((folder / "kept").touch(), sys.exit(75)))
(folder / "began").touch()
time.sleep(config["seconds"])
if config["fails"]:
    sys.exit(2)
pathlib.Path(config["result"]).write_text(pathlib.Path(config["base"]).read_text() + " and " + config["data"])
pathlib.Path(sys.argv[3]).write_text(json.dumps({"steps": 3}))
"""


def config(folder: Path) -> dict[str, Any]:
    there = {"url": "http://127.0.0.1:9"}
    return {
        "model": "chat",
        "version": "answers",
        "folder": str(folder),
        "making": "chat/refresh",
        "make": {"kind": "taught"},
        "served": {
            "kind": "reached",
            "original": there,
            "original_weights": "/nowhere",
            "result": there,
            "readiness_path": "/ready",
            "start_seconds": 0.1,
        },
        "evaluation": "facts",
        "trial": {"kind": "prompts", "cases": {"a": {"prompt": "a", "contains": ["b"]}}, "at_least_percent": 0},
        "at_most_loss_percent": 0,
        "card": {"trained_on": "volume claim answers"},
    }


def test_the_version_is_of_its_data(tmp_path: Path) -> None:
    (tmp_path / ".answers.taught.json").write_text(json.dumps({"data_digest": DIGEST, "steps": 3}))
    told = of_data(msgspec.json.decode(json.dumps(config(tmp_path)), type=MakingConfig))
    assert told.target == tmp_path / "answers-abababab"
    assert told.unfinished == tmp_path / ".answers.unfinished"
    assert msgspec.json.decode(told.card["trained_on"]) == f"volume claim answers (SHA-256 {DIGEST})"


def test_one_of_this_data_is_not_judged_again(tmp_path: Path) -> None:
    file, record = tmp_path / "making.json", tmp_path / "record"
    file.write_text(json.dumps(config(tmp_path)))
    assert main([str(file), "--record", str(record)]) == 2
    assert "the tool has not ended well" in record.read_text()
    (tmp_path / ".answers.taught.json").write_text(json.dumps({"data_digest": DIGEST, "unchanged": True}))
    (tmp_path / "answers-abababab").mkdir()
    assert main([str(file), "--record", str(record)]) == 0
    assert "nothing to do" in record.read_text()


def lora(tmp_path: Path, **settings: Any) -> Lora:
    (tmp_path / "tuning.py").write_text(TUNING)
    raw = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in settings.items()}
    places = {"program": sys.executable, "module": str(tmp_path), "checkpoints": str(tmp_path)}
    return Lora(file="new.gguf", data="the data", settings=raw, **places)


def test_the_tool_is_told_and_says_what_it_did(tmp_path: Path) -> None:
    original = tmp_path / "old.gguf"
    original.write_text("what it knew")
    made, said = asyncio.run(teach(lora(tmp_path, seconds=0, fails=False), original, tmp_path))
    assert (made.name, made.read_text(), said) == ("new.gguf", "what it knew and the data", {"steps": 3})


def test_a_tool_that_fails_has_made_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unmade, match="status 2"):
        asyncio.run(teach(lora(tmp_path, seconds=0, fails=True), tmp_path, tmp_path))


def test_whoever_stops_waits_until_the_tool_has_kept_what_it_learned(tmp_path: Path) -> None:
    async def interrupted() -> None:
        task = asyncio.create_task(teach(lora(tmp_path, seconds=600, fails=False), tmp_path, tmp_path))
        while not (tmp_path / "began").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (tmp_path / "kept").exists()

    asyncio.run(interrupted())

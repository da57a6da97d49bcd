"""A version is made, measured beside the original and registered, or nothing is left of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.making.registering import files
from serving.making.same import places, same_percent
from tests.serving.package import PACKAGE
from tests.serving.running import planned

ROOT = Path(__file__).resolve().parents[2]
ORIGINAL = {"says": "Paris, of course.", "next": " river"}
# What the toy quantiser makes, by type.
TYPES: dict[str, dict[str, Any]] = {
    "q8_0": ORIGINAL,
    "q4_0": {"says": "It is Paris.", "next": " stream"},
    "q2_k": {"says": "la la la", "next": " river"},
    "q3_k_m": {**ORIGINAL, "broken": True},
}
# What it says it would do, where rows are no multiple of 256.
WOULD = """
[   1/   3]          blk.0.ffn_down.weight - [ 1536,   576,     1,     1], type =   q4_1, converting to q6_K .. size = 1
[   2/   3]            blk.0.attn_q.weight - [  576,   576,     1,     1], type =   q4_1,

change_type : tensor cols 576 x 576 are not divisible by 256 - using fallback quantization q6_0
converting to q6_0 .. size =     0.53 MiB ->     0.69 MiB
[   3/   3]            output_norm.weight - [  576,     1,     1,     1], type =    f32, size =    0.002 MB
"""
FACTS = {
    "kind": "prompts",
    "at_least_percent": 0,
    "cases": {
        "capital": {"prompt": "Tell me the capital of France.", "contains": ["Paris"]},
        "form": {"prompt": "Tell me the capital of France.", "matches": "^[A-Z]"},
    },
}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with original weights, and a PATH on which engine and quantiser are toys."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "original.gguf").write_text(json.dumps(ORIGINAL))
    (tmp_path / "types.json").write_text(json.dumps(TYPES))
    (tmp_path / "would.txt").write_text(WOULD)
    engine = f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/serving/versioned_engine.py "$@"\n'
    quantiser = f"""#!{sys.executable}
import json, pathlib, sys
flag, *flags, source, target, kind, threads = sys.argv[1:]
assert flag == "--allow-requantize" and json.loads(pathlib.Path(source).read_text())
if flags == ["--dry-run"]:
    print(pathlib.Path("{tmp_path}/would.txt").read_text())
    sys.exit()
pathlib.Path("{tmp_path}/flags.json").write_text(json.dumps(flags))
made = json.loads(pathlib.Path("{tmp_path}/types.json").read_text()).get(kind.lower())
if made is None:
    sys.exit("main: invalid ftype")
pathlib.Path(target).write_text(json.dumps(made))
"""
    for name, text in (("llama-server", engine), ("llama-quantize", quantiser)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return tmp_path


def made(machine: Path, quantization: str, **changes: Any) -> tuple[int, Any, str]:
    """The program's status, its record (None where there is none) and what it said."""
    engine = planned(port=1, operations=2)["engines"]["chat"]
    original = machine / "original.gguf"
    weights = {"kind": "file", "location": "original.gguf", "file": None, "revision": None}
    engine |= {"start_seconds": 30, "weights": {**weights, "sha256": hashlib.sha256(original.read_bytes()).hexdigest()}}
    told = {
        "model": "chat",
        "version": "small",
        "folder": str(machine / "models" / "chat"),
        "making": "chat/optimisation",
        "make": {"kind": "gguf", "quantization": quantization, "file": f"chat.{quantization}.gguf"},
        "served": {
            "kind": "started",
            "engine": engine,
            "base_directory": str(machine),
            "cache_directory": str(machine / "cache"),
        },
        "evaluation": "facts",
        "trial": FACTS,
        "at_most_loss_percent": 0,
        "card": {"license": "Apache-2.0", "made_by": {"tool": "toy", "parameters": {"type": quantization}}},
        **changes,
    }
    config, record = machine / "making.json", machine / "record.json"
    config.write_text(json.dumps(told))
    record.unlink(missing_ok=True)
    ran = subprocess.run(
        [sys.executable, "-m", "serving.making", str(config), "--record", str(record)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "PATH": f"{machine}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, json.loads(ran.stdout) if ran.stdout else None, ran.stderr + record.read_text()


def versions(machine: Path) -> list[str]:
    """Everything that is in the model's folder, hidden or not."""
    folder = machine / "models" / "chat"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_one_that_is_as_good_is_registered_with_its_card(machine: Path) -> None:
    status, record, said = made(machine, "q8_0", at_least_same_percent=100)
    assert (status, record["registered"], record["why"]) == (0, True, None)
    assert record["figures"]["same_percent"] == 100
    assert versions(machine) == ["small"]
    folder = machine / "models" / "chat" / "small"
    card = json.loads((folder / "card.json").read_text())
    (file,) = card["files"]
    content = (folder / file["file"]).read_bytes()
    assert file == {
        "file": "chat.q8_0.gguf",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert (card["model"], card["version"], card["license"]) == ("chat", "small", "Apache-2.0")
    assert card["made_by"] == {"tool": "toy", "parameters": {"type": "q8_0"}}
    assert card["evaluated"]["evaluation"] == "facts"
    assert card["evaluated"]["result"]["right_percent"] == card["evaluated"]["original"]["right_percent"] == 100
    assert "measuring the original" in said


def test_an_older_one_makes_room_and_the_record_says_so(machine: Path) -> None:
    for name in ("first", "second"):
        status, record, _ = made(machine, "q8_0", version=name, keep_versions=1)
        assert status == 0
    assert record["removed"] == ["first"]
    assert versions(machine) == ["second"]


def test_one_that_has_lost_too_much_is_removed(machine: Path) -> None:
    status, record, _ = made(machine, "q2_k", at_most_loss_percent=50)
    assert (status, record["registered"]) == (1, False)
    assert record["why"] == "right answers lost, of a hundred, at most 50: 100"
    assert record["result"]["wrong"] == ["capital", "form"]
    assert versions(machine) == []
    # Within the stated loss it stays.
    status, record, _ = made(machine, "q2_k", at_most_loss_percent=100)
    assert (status, record["registered"], versions(machine)) == (0, True, ["small"])


def test_one_that_goes_on_otherwise_is_removed_where_that_is_asked_for(machine: Path) -> None:
    status, record, _ = made(machine, "q4_0", at_least_same_percent=1)
    assert (status, record["registered"]) == (1, False)
    assert record["figures"]["same_percent"] == 0
    assert record["why"] == "goes on alike, of a hundred places, at least 1: 0"
    assert versions(machine) == []
    status, record, _ = made(machine, "q4_0")
    assert (status, record["registered"], record["figures"]["same_percent"]) == (0, True, 0)


def test_one_that_no_engine_serves_is_removed(machine: Path) -> None:
    status, record, _ = made(machine, "q3_k_m")
    assert (status, record["registered"], record["verdicts"]) == (1, False, [])
    assert "it ended while starting" in record["why"]
    assert "unknown tensor type" in record["why"]
    assert versions(machine) == []


def test_a_version_is_never_made_again(machine: Path) -> None:
    assert made(machine, "q8_0")[0] == 0
    kept = (machine / "models" / "chat" / "small" / "chat.q8_0.gguf").read_bytes()
    status, record, said = made(machine, "q4_0")
    assert (status, record) == (2, None)
    assert "is there already" in said
    assert (machine / "models" / "chat" / "small" / "chat.q8_0.gguf").read_bytes() == kept
    assert versions(machine) == ["small"]


@pytest.mark.parametrize(
    ("fallback", "flags"), [("q6_0", ["--custom-q", r"^blk\.0\.attn_q\.weight$=q5_1"]), ("q5_0", [])]
)
def test_a_type_that_only_the_quantisers_own_engine_loads_is_not_made(
    machine: Path, fallback: str, flags: list[str]
) -> None:
    (machine / "would.txt").write_text(WOULD.replace("q6_0", fallback))
    assert made(machine, "q8_0")[0] == 0
    assert json.loads((machine / "flags.json").read_text()) == flags


def test_what_the_quantiser_refuses_leaves_nothing(machine: Path) -> None:
    status, record, said = made(machine, "q9_9")
    assert (status, record) == (2, None)
    assert "llama-quantize ended with status 1: main: invalid ftype" in said
    assert versions(machine) == []


def test_other_weights_than_those_that_are_served_are_not_touched(machine: Path) -> None:
    engine = planned(port=1, operations=2)["engines"]["chat"]
    weights = {"kind": "file", "location": "original.gguf", "file": None, "revision": None, "sha256": "0" * 64}
    served = {"kind": "started", "engine": {**engine, "weights": weights}, "base_directory": str(machine)}
    status, record, said = made(machine, "q8_0", served={**served, "cache_directory": str(machine)})
    assert (status, record) == (2, None)
    assert "SHA-256" in said
    assert versions(machine) == []


def test_what_is_left_of_one_that_was_killed_is_no_part_of_the_next(machine: Path) -> None:
    left = machine / "models" / "chat" / ".small.unfinished"
    left.mkdir(parents=True)
    (left / "half.gguf").write_text("half")
    assert made(machine, "q8_0")[0] == 0
    assert sorted(path.name for path in (left.parent / "small").iterdir()) == ["card.json", "chat.q8_0.gguf"]


@pytest.mark.parametrize("name", ["../small", "", ".small", "a/b"])
def test_a_version_stays_in_its_folder(machine: Path, name: str) -> None:
    status, record, _ = made(machine, "q8_0", version=name)
    assert (status, record) == (2, None)


def test_a_version_of_several_files_has_the_list_that_a_bucket_needs(tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    for name in ("model.safetensors", "tokenizer/vocabulary.json"):
        (tmp_path / name).write_text(name)
    listed = files(tmp_path)
    assert [one["file"] for one in listed] == ["model.safetensors", "tokenizer/vocabulary.json", "SHA256SUMS"]
    assert listed[-1]["sha256"] == hashlib.sha256((tmp_path / "SHA256SUMS").read_bytes()).hexdigest()
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=False)
    assert checked.returncode == 0


def test_places_of_the_text() -> None:
    assert len(places()) > 100
    assert all(longer.startswith(shorter) for shorter, longer in zip(places(), places()[1:], strict=False))
    assert same_percent([" a", " b", " c", " d"], [" a", " b", " c", " x"]) == 75


def test_a_version_is_called_after_what_all_sites_learned_and_the_same_again_makes_none(machine: Path) -> None:
    digest = "ab" * 32
    (machine / "tuning.py").write_text(f"""
import json, pathlib, sys
config = json.loads(pathlib.Path(sys.argv[1]).read_text())
assert config["elsewhere"] and config["data"] == {{}}
pathlib.Path(config["result"]).write_text({json.dumps(ORIGINAL)!r})
pathlib.Path(sys.argv[3]).write_text(json.dumps({{"data_digest": "{digest}", "sites": {{"ships": {{"lines": 3}}}}}}))
""")
    places = {"program": sys.executable, "module": str(machine), "checkpoints": str(machine)}
    make = {"kind": "lora", "file": "taught.gguf", "data": {}, "of_data": True, **places}
    card = {"trained_on": "office, ships"}
    told = {"make": {**make, "settings": {"elsewhere": {"sites": ["ships"]}}}, "card": card}
    status, record, said = made(machine, "q8_0", **told)
    assert (status, record["version"], record["registered"]) == (0, "small-abababab", True), said
    folder = machine / "models" / "chat" / "small-abababab"
    card = json.loads((folder / "card.json").read_text())
    assert card["files"][0]["file"] == "taught.gguf"
    assert card["taught"]["sites"] == {"ships": {"lines": 3}}
    assert card["trained_on"] == f"office, ships (SHA-256 {digest})"
    status, record, said = made(machine, "q8_0", **told)
    assert (status, record) == (0, None)
    assert "nothing to do" in said
    assert versions(machine) == [".small.taught.json", "small-abababab"]

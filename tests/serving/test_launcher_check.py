"""`python -m serving.launcher check`, as a process: weights that somebody mounted, and what is refused there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serving.package import PACKAGE

FILES = {
    "config.json": b'{"model_type": "toy"}',
    "model-00001-of-00002.safetensors": os.urandom(5000),
    "model-00002-of-00002.safetensors": os.urandom(3000),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder as the job that mirrors a repository leaves it."""
    place = tmp_path / "chat"
    place.mkdir()
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in FILES.items()]
    (place / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def run(place: Path, **other: Any) -> subprocess.CompletedProcess[str]:
    known = {"kind": "huggingface", "location": "a/b", "file": None, "revision": "1" * 40, "sha256": None}
    return subprocess.run(
        [sys.executable, "-m", "serving.launcher", "check", json.dumps({"path": str(place), **known, **other})],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_is_as_listed_is_let_through(place: Path) -> None:
    done = run(place)
    assert done.returncode == 0, done.stderr
    assert "3 files" in done.stderr


@pytest.mark.parametrize("name", [*FILES])
def test_a_file_with_another_digest_is_refused(place: Path, name: str) -> None:
    content = bytearray((place / name).read_bytes())
    content[7] ^= 1
    (place / name).write_bytes(content)
    done = run(place)
    assert done.returncode == 1
    assert name in done.stderr
    assert "SHA-256" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_refused(place: Path) -> None:
    (place / "model-00002-of-00002.safetensors").unlink()
    done = run(place)
    assert (done.returncode, "model-00002-of-00002.safetensors" in done.stderr) == (1, True)


def test_without_the_list_nothing_is_whole(place: Path) -> None:
    (place / "SHA256SUMS").unlink()
    done = run(place)
    assert done.returncode == 1
    assert "no list of digests" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_that_a_user_names_must_be_that_one(place: Path) -> None:
    right = hashlib.sha256((place / "SHA256SUMS").read_bytes()).hexdigest()
    assert run(place, sha256=right).returncode == 0
    assert run(place, sha256="0" * 64).returncode == 1


def test_one_file_is_held_to_its_own_digest(place: Path) -> None:
    name = "model-00001-of-00002.safetensors"
    right = hashlib.sha256(FILES[name]).hexdigest()
    assert run(place / name, file=name, sha256=right).returncode == 0
    assert run(place / name, file=name, sha256="0" * 64).returncode == 1

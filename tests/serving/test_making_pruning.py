"""Older versions go when a new one is registered, half-made ones when nobody can be making them any more."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serving.making.config import MakingConfig
from serving.making.pruning import pruned
from tests.serving.test_making_taught import config

HOUR = 3600.0


def version(folder: Path, name: str, day: int, digest: str = "") -> Path:
    """One of that day."""
    made = folder / name
    made.mkdir()
    (made / "weights").write_text(name)
    files = [{"file": "weights", "bytes": 1, "sha256": digest or f"of-{name}"}]
    card = {"model": "chat", "made_at": f"2026-11-{day:02}T12:00:00+00:00", "files": files, "license": None}
    (made / "card.json").write_text(json.dumps(card))
    return made


def half_made(folder: Path, name: str, seconds_ago: float) -> Path:
    (folder / name / "below").mkdir(parents=True)
    (folder / name / "below" / "weights").write_text("half")
    at = time.time() - seconds_ago
    for path in (folder / name / "below" / "weights", folder / name / "below", folder / name):
        os.utime(path, (at, at))
    return folder / name


def run(folder: Path, *, registered: bool = True, **changes: Any) -> tuple[list[str], list[str]]:
    """What was removed, and what is there then."""
    told = {**config(folder), "version": "new", "abandoned_seconds": HOUR, **changes}
    said: list[str] = []
    found = pruned(msgspec.json.decode(json.dumps(told), type=MakingConfig), said.append, registered=registered)
    assert said == [f"{folder / name} is removed" for name in found]
    return found, sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five versions, of which the newest was just made; and something that is nobody's version."""
    for day, name in enumerate(("a", "b", "c", "d", "new"), start=1):
        version(tmp_path, name, day)
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_the_oldest_beyond_as_many_as_are_kept_go(folder: Path) -> None:
    assert run(folder, keep_versions=3) == (["b", "a"], ["c", "d", "new", "notes"])
    assert run(folder, keep_versions=3) == ([], ["c", "d", "new", "notes"])


def test_what_serves_and_a_candidate_stay_and_count(folder: Path) -> None:
    assert run(folder, keep_versions=3, in_use=["of-a", "of-b"]) == (["d", "c"], ["a", "b", "new", "notes"])


def test_more_in_use_than_are_kept_all_stay(folder: Path) -> None:
    assert run(folder, keep_versions=1, in_use=["of-a", "of-b"]) == (["d", "c"], ["a", "b", "new", "notes"])


def test_the_new_one_stays_though_others_are_newer(folder: Path) -> None:
    version(folder, "of-a-clock-that-is-ahead", 28)
    assert run(folder, keep_versions=1) == (
        ["of-a-clock-that-is-ahead", "d", "c", "b", "a"],
        ["new", "notes"],
    )


def test_without_a_number_all_stay_and_where_nothing_was_registered_too(folder: Path) -> None:
    every = ["a", "b", "c", "d", "new", "notes"]
    assert run(folder) == ([], every)
    assert run(folder, keep_versions=1, registered=False) == ([], every)


def test_half_made_ones_go_when_nobody_has_written_for_longer_than_a_making_takes(folder: Path) -> None:
    half_made(folder, ".of-a-killed-job.unfinished", 2 * HOUR)
    half_made(folder, ".half-gone.leaving", 2 * HOUR)
    half_made(folder, ".checkpoints", 2 * HOUR)
    half_made(folder, ".of-one-that-runs.unfinished", 2 * HOUR)
    (folder / ".of-one-that-runs.unfinished" / "below" / "weights").write_text("more")
    found, there = run(folder, registered=False)
    assert found == [".half-gone.leaving", ".of-a-killed-job.unfinished"]
    assert {".checkpoints", ".of-one-that-runs.unfinished"} <= {*there}


def test_a_card_that_cannot_be_read_is_no_version(folder: Path) -> None:
    (folder / "a" / "card.json").write_text("{")
    assert run(folder, keep_versions=2) == (["c", "b"], ["a", "d", "new", "notes"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_what_cannot_be_removed_is_told(folder: Path) -> None:
    folder.chmod(0o500)
    said: list[str] = []
    told = {**config(folder), "version": "new", "keep_versions": 4}
    found = pruned(msgspec.json.decode(json.dumps(told), type=MakingConfig), said.append, registered=True)
    folder.chmod(0o700)
    assert (found, said) == ([], [f"{folder / 'a'} cannot be removed: permission denied"])

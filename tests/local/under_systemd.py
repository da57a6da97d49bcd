"""What test_supervision.py runs beside a real systemd user manager: restarted after a crash, not after a refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.platforms.local import generation as one
from infra.platforms.local import generations
from infra.platforms.local.generations import Group
from infra.problems import Refused
from tests.serving.running import ROOT, TOY, marked, request, streams, toy, toy_path, until, whole


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    monkeypatch.setenv("PATH", toy_path(tmp_path / "bin"))
    specification = toy(tmp_path / "weights")
    specification["engines"]["chat"]["weights"]["location"] = str(tmp_path / "weights" / TOY["name"])
    group = Group(
        directory=tmp_path / "state" / "run" / "dev" / "here",
        root=ROOT,
        python=Path(sys.executable),
        specification=specification,
        huggingface_token="",
        start_seconds=20,
        grace_seconds=20,
    )
    yield group
    generations.stop(group.directory, 0)
    until(lambda: units() == [], 5, lambda: f"units are left: {units()}")


def units() -> list[str]:
    command = ["systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", "slipway-*"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
    return [line.split()[0] for line in listed.splitlines()]


def serves(group: Group) -> bool:
    try:
        return request(group.specification["gateway"]["operations_port"], "/ready")[0] == 200
    except OSError:
        return False


def test_it_is_a_unit_with_the_environment_that_was_given(group: Group) -> None:
    started = generations.start(group)
    assert units() == [f"slipway-{started.folder.name}.service"]
    for process in marked(started.folder):
        assert "canary-of-the-manager" not in process.environ().values()
    assert psutil.Process(started.pid).cmdline()[:3] == [sys.executable, "-m", "serving.launcher"]


def test_killed_launcher_is_started_again(group: Group) -> None:
    started = generations.start(group)
    os.kill(started.pid, signal.SIGKILL)
    until(lambda: one.described(started.folder).pid != started.pid, 8, "it is not started again")
    until(lambda: serves(group), 8, lambda: f"it does not serve again: {(started.folder / 'launcher.log').read_text()}")
    # It answers a little before it says so: it says so once its engines were asked.
    until(lambda: generations.running(group.directory) is not None, 8, "it does not say that it is ready")
    again = generations.start(group)  # and can be followed
    until(lambda: [g.folder for g in generations.living(group.directory)] == [again.folder], 8, "the former is left")


def test_refusal_is_not_tried_again(group: Group, tmp_path: Path) -> None:
    (tmp_path / "crash").write_text("the card is on fire")
    group.specification["engines"]["chat"]["environment"] = {"TOY_CRASH_FILE": str(tmp_path / "crash")}
    with pytest.raises(Refused, match="the card is on fire"):
        generations.start(group)
    (tmp_path / "crash").unlink()  # it would come up now
    time.sleep(2.5)
    assert generations.living(group.directory) == []
    assert units() == []
    folder = next((group.directory / "generations").iterdir())
    assert "the card is on fire" in (folder / "launcher.log").read_text()


def test_launcher_that_had_to_be_killed_is_not_started_again(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one, "KILL_SECONDS", 0.5)
    started = generations.start(group)
    os.kill(started.pid, signal.SIGSTOP)
    one.kill(started.folder)
    time.sleep(2.5)
    assert generations.living(group.directory) == []
    assert marked(started.folder) == []


def test_stop_drains(group: Group) -> None:
    started = generations.start(group)
    with streams(group.specification["gateway"]["port"], 3, 40) as running:
        generations.stop(group.directory, group.grace_seconds)
        whole(running)
    assert marked(started.folder) == []

"""Who restarts a launcher: nobody without systemd, else the user's systemd, which is tried with a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.platforms.local import supervision
from infra.platforms.local.supervision import supervised
from tests.serving.running import ROOT

COMMAND = ["/usr/bin/python3", "-m", "serving.launcher", "/state/specification.json"]
# A mount, process and cgroup namespace of its own: what starts in there sees no other systemd, and ends with it.
UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--cgroup", "--kill-child"]
INSIDE = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/0
chmod 700 /run/user/0
mount -t cgroup2 none /sys/fs/cgroup
export XDG_RUNTIME_DIR=/run/user/0
unset DBUS_SESSION_BUS_ADDRESS
"$SYSTEMD" --user --log-target=console &
for attempt in $(seq 50); do
    if systemctl --user show-environment > /dev/null 2>&1; then exec "$@"; fi
    sleep 0.1
done
echo "no user manager came up" >&2
exit 90
"""


def rendered(folder: Path) -> list[str]:
    environment = {"PATH": "/bin", "LANG": "C"}
    return supervised(COMMAND, unit="unit", environment=environment, log=folder / "launcher.log", grace_seconds=90)


def systemctl(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """systemd runs as init, and its command says this."""
    monkeypatch.setattr(supervision, "BOOTED", folder)
    path = folder / "systemctl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_without_systemd_as_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl(tmp_path, monkeypatch, "exit 0")
    monkeypatch.setattr(supervision, "BOOTED", tmp_path / "nowhere")
    assert rendered(tmp_path) == COMMAND


def test_without_a_manager_for_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl(tmp_path, monkeypatch, "echo 'Failed to connect to bus' >&2; exit 1")
    assert rendered(tmp_path) == COMMAND


def test_manager_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl(tmp_path, monkeypatch, "exec sleep 30")
    monkeypatch.setattr(supervision, "ANSWER_SECONDS", 0.3)
    began = time.monotonic()
    assert rendered(tmp_path) == COMMAND
    assert time.monotonic() - began < 3


def test_command_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "BOOTED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rendered(tmp_path) == COMMAND


def test_under_a_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl(tmp_path, monkeypatch, '[ "$*" = "--user show-environment" ]')
    assert rendered(tmp_path) == [
        "systemd-run",
        "--user",
        "--quiet",
        "--collect",
        "--unit=unit",
        "--property=Restart=on-failure",
        "--property=RestartPreventExitStatus=1",
        "--property=RestartSec=1",
        "--property=KillMode=mixed",
        f"--property=StandardOutput=append:{tmp_path}/launcher.log",
        f"--property=StandardError=append:{tmp_path}/launcher.log",
        "--property=TimeoutStopSec=90",
        "--",
        "env",
        "-i",
        "PATH=/bin",
        "LANG=C",
        *COMMAND,
    ]


def test_release_kills_and_stops_the_unit_only_under_a_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl(tmp_path, monkeypatch, f'echo "$*" >> {tmp_path}/said')
    supervision.release("unit")
    said = (tmp_path / "said").read_text().splitlines()
    assert said == ["--user show-environment", "--user kill --signal=KILL unit", "--user stop unit"]
    monkeypatch.setattr(supervision, "BOOTED", tmp_path / "nowhere")
    supervision.release("unit")
    assert len((tmp_path / "said").read_text().splitlines()) == 3


@pytest.mark.timeout(90)
def test_a_real_user_manager(tmp_path: Path) -> None:
    """Runs tests/local/under_systemd.py beside a systemd of its own; skips, with the error, where that cannot be."""
    systemd = next((path for path in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if Path(path).exists()), "")
    if not systemd or not shutil.which("unshare"):
        pytest.skip("no systemd or no unshare is installed")
    script = tmp_path / "inside"
    script.write_text(INSIDE)
    environment = {**os.environ, "SYSTEMD": systemd, "AWS_SECRET_ACCESS_KEY": "canary-of-the-manager"}
    inside = [*UNSHARE, "bash", str(script)]
    tried = subprocess.run([*inside, "true"], capture_output=True, text=True, timeout=30, env=environment)
    if tried.returncode != 0:
        pytest.skip(f"no systemd --user can be started here (exit {tried.returncode}): {tried.stderr.strip()[-400:]}")
    scenario = str(ROOT / "tests" / "local" / "under_systemd.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", scenario, f"--basetemp={tmp_path}/run"]
    result = subprocess.run([*inside, *command], capture_output=True, text=True, timeout=80, env=environment, cwd=ROOT)
    assert result.returncode == 0, f"{result.stdout[-6000:]}\n{result.stderr[-2000:]}"
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout

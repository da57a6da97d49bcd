"""Ctrl-C, kill -9, a held lock: `make up` stops cleanly, and the next one works."""

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import Checkout  # pyright: ignore[reportMissingImports]

pytestmark = pytest.mark.timeout(180)


def test_ctrl_c_while_a_resource_is_created(checkout: Checkout) -> None:
    checkout.configure(seconds="3")
    up = checkout.start("make", "up")
    checkout.wait_for(lambda: "create begins" in checkout.steps(), "the creation to begin")
    os.killpg(up.pid, signal.SIGINT)  # as a terminal does it: to make and everything in its group
    printed, _ = up.communicate(timeout=60)
    assert up.returncode in (2, 130, -signal.SIGINT), printed
    assert "Nothing is lost: run the same command again and it continues." in printed
    assert "Traceback" not in printed
    assert checkout.steps() == ["create begins", "create ends"], "what was begun is finished"
    assert checkout.processes() == []

    printed = checkout.run("make", "up")
    assert "key of client dev: key-of-the-toy" in printed
    assert checkout.steps() == ["create begins", "create ends"], "and not done twice"
    checkout.run("make", "down")


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.4, 0.8, 1.2])
def test_ctrl_c_at_any_moment(checkout: Checkout, seconds: float) -> None:
    up = checkout.start("tools/up")
    try:
        up.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(up.pid, signal.SIGINT)
    printed, _ = up.communicate(timeout=60)
    assert up.returncode in (130, -signal.SIGINT), printed
    assert "Traceback" not in printed
    assert checkout.processes() == []


def test_kill_9_leaves_a_lock_that_the_next_run_removes(checkout: Checkout) -> None:
    checkout.configure(seconds="4")
    up = checkout.start("tools/up")
    checkout.wait_for(lambda: "create begins" in checkout.steps(), "the creation to begin")
    locks = checkout.root / ".slipway/state/.pulumi/locks/organization/toy/dev"
    owner = json.loads(next(locks.glob("*.json")).read_text())["pid"]
    os.kill(owner, signal.SIGKILL)
    printed, _ = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "was ended by SIGKILL" in printed
    assert checkout.deployment()["pending_operations"][0]["type"] == "creating"

    checkout.configure(seconds="0")
    printed = checkout.run("tools/up")
    assert "stack dev was locked by a pulumi that was killed; it is free again" in printed
    assert "the creation of 1 resource(s) was cut off; they are created again" in printed
    assert "key of client dev" in printed
    assert not checkout.deployment().get("pending_operations")
    assert "unchanged" in checkout.run("tools/up")
    checkout.run("tools/down")


def test_a_lock_of_a_living_pulumi_is_refused(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("tools/up")
    sleep = shutil.which("sleep")
    assert sleep
    shutil.copy(sleep, tmp_path / "pulumi")
    with subprocess.Popen([tmp_path / "pulumi", "60"]) as owner:
        try:
            lock = checkout.root / ".slipway/state/.pulumi/locks/organization/toy/dev/other.json"
            who = {
                "pid": owner.pid,
                "username": "eve",
                "hostname": socket.gethostname(),
                "timestamp": "2026-01-02T03:04",
            }
            lock.write_text(json.dumps(who))
            printed = checkout.run("tools/up", status=1)
            assert "where    stack dev" in printed
            assert f"it is locked by eve@{socket.gethostname()}, process {owner.pid}, since 2026-01-02T03:04" in printed
            assert "allowed  one change of a stack at a time" in printed
            lock.write_text(json.dumps(who | {"hostname": "another-machine", "pid": 1}))
            assert "eve@another-machine" in checkout.run("tools/down", status=1)
            lock.write_text("{")  # half a lock, of a disk that was full: nobody can hold it
            assert "it is free again" in checkout.run("tools/up")
        finally:
            owner.kill()
    checkout.run("tools/down")

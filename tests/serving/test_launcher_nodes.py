"""One of several nodes of a replica: who it is, what ends it, and what it outlives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.launcher.node import Node
from serving.launcher.refusal import Refusal
from tests.serving.package import PACKAGE
from tests.serving.running import free_port

# An engine without an API: it says what it was told, and runs.
WORKER = "import sys, time; print(sys.argv[1:], flush=True); time.sleep(3600)"
# The API of a leader: it answers at the port that it is given.
LEADER = """
import http.server, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
PATIENCE_SECONDS = 60


def specification(folder: Path, code: str, *arguments: str, port: int, **own: Any) -> Path:
    weights = folder / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    engine = {
        "command": [sys.executable],
        "arguments": ["-c", code, *arguments],
        "environment": {},
        "weights": {"kind": "mounted", "location": str(weights), "file": None, "revision": None, "sha256": None},
        "readiness_path": "/health",
        "metrics_path": "/metrics",
        "running_metric": "running",
        "queued_metric": "queued",
        "drains_on_sigterm": True,
        "start_seconds": PATIENCE_SECONDS,
        "drain_seconds": 3600,
        "port": port,
        **own,
    }
    (weights / "model.safetensors").write_bytes(b"some")
    path = folder / "launcher.json"
    path.write_text(json.dumps({"version": 1, "name": "large", "engines": {"large": engine}, "gateway": None}))
    return path


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Any]:
    """Starts a launcher in a folder of its own, as a pod of a group; whatever is left of it ends with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, path: Path, rank: str) -> subprocess.Popen[bytes]:
        told = {"LWS_LEADER_ADDRESS": "127.0.0.1", "LWS_WORKER_INDEX": rank, "PYTHONPATH": str(PACKAGE)}
        log = (tmp_path / f"{name}.log").open("wb")
        command = [sys.executable, "-m", "serving.launcher", "--container", str(tmp_path / name), str(path)]
        process = subprocess.Popen(command, env={**os.environ, **told}, stdout=log, stderr=log, start_new_session=True)
        running.append(process)
        return process

    yield start
    for process in running:
        # As a container does: all of it, also what its first process has started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def status(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "status.json").read_text())
    except OSError:
        return {"state": "not there yet"}


def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def engines_of(process: subprocess.Popen[bytes], code: str) -> list[psutil.Process]:
    """The engine that a launcher runs, wherever below it; none while it is about to be that program."""
    found: list[psutil.Process] = []
    for each in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if each.cmdline()[:3] == [sys.executable, "-c", code]:
                found.append(each)
    return found


def test_it_is_told_who_it_is_and_where_its_leader_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWS_LEADER_ADDRESS", "large-groups-1.large-groups.slipway")
    monkeypatch.setenv("LWS_WORKER_INDEX", "3")
    node = Node.here()
    words = ["--node-rank", "{node_rank}", "--dist-init-addr", "{leader_address}:29500"]
    assert [node.filled(word) for word in words] == [
        "--node-rank",
        "3",
        "--dist-init-addr",
        "large-groups-1.large-groups.slipway:29500",
    ]


@pytest.mark.parametrize(("address", "rank"), [("", "1"), ("here", ""), ("here", "-1"), ("here", "one")])
def test_without_a_group_it_says_so(address: str, rank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWS_LEADER_ADDRESS", address)
    monkeypatch.setenv("LWS_WORKER_INDEX", rank)
    with pytest.raises(Refusal, match="LWS_WORKER_INDEX"):
        Node.here()


def test_a_leader_that_nobody_knows_is_waited_for_and_then_named() -> None:
    with pytest.raises(Refusal, match=r"nobody\.invalid"):
        asyncio.run(Node(1, "nobody.invalid").wait_for_leader(0.6))


def test_a_worker_is_well_without_an_api(tmp_path: Path, launched: Any) -> None:
    path = specification(tmp_path / "worker", WORKER, "{node_rank}", "{leader_address}:1", port=1, node="worker")
    launched("running", path, "2")
    until(lambda: status(tmp_path / "running")["state"] == "ready", "it is never ready")
    assert status(tmp_path / "running")["answers"] == []
    until(lambda: "['2', '127.0.0.1:1']" in (tmp_path / "running.log").read_text(), "it was not told who it is")


@pytest.mark.parametrize("node", ["leader", "worker"])
def test_a_node_that_loses_its_engine_ends_so_that_the_whole_group_starts_again(
    node: str, tmp_path: Path, launched: Any
) -> None:
    port = free_port()
    code = LEADER if node == "leader" else WORKER
    path = specification(tmp_path / node, code, str(port), port=port, node=node)
    process = launched("running", path, "0")
    until(lambda: status(tmp_path / "running")["state"] == "ready", "it is never ready")
    until(lambda: engines_of(process, code), "its engine does not run")
    engines_of(process, code)[0].kill()
    assert process.wait(PATIENCE_SECONDS) == 1


def test_a_worker_outlives_its_leader(tmp_path: Path, launched: Any) -> None:
    port = free_port()
    leader = subprocess.Popen([sys.executable, "-c", LEADER, str(port)], stderr=subprocess.DEVNULL)
    try:
        path = specification(tmp_path / "worker", WORKER, port=port, node="worker")
        process = launched("running", path, "1")
        until(lambda: status(tmp_path / "running")["state"] == "ready", "it is never ready")
        until(lambda: engines_of(process, WORKER), "its engine does not run")
        process.send_signal(signal.SIGTERM)
        until(lambda: status(tmp_path / "running")["state"] == "draining", "it does not drain")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        assert engines_of(process, WORKER), "its engine is gone before the leader's"
    finally:
        leader.kill()
        leader.wait()
    assert process.wait(PATIENCE_SECONDS) == 0

"""Fault experiment 18: the audit's disk is full, or broken, or the process is killed. No 2xx without a row."""

from __future__ import annotations

import http.client
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving.audit_files import FAILING_DISK, lines, problems, rows, stop
from tests.serving.gateway_process import (
    GatewayProcess,
    ask,
    chat,
    configuration,
    raw_request,
    read_until,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine

ROUNDS = 20 if os.environ.get("FAULTS_FULL") == "1" else 2
CLIENTS = 8
# The documented window (audit.flush_milliseconds and the time of one fsync) is some 30 ms; the rest is for a machine
# that does other things too.
WINDOW_SECONDS = 0.5


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


class Clients:
    """Ask all the time, and remember the id and the time of every 2xx that was read to its end."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.good: dict[str, float] = {}
        self.statuses: dict[int, int] = {}
        self.codes: set[str] = set()
        self._port = gateway.port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def wait_for(self, status: int, more: int) -> None:
        """Until that many more answers had this status."""
        before = self.count(status)
        wait_until(f"{more} more answers {status}", lambda: self.count(status) >= before + more, 30)

    @contextmanager
    def running(self) -> Iterator[Clients]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(30)

    def count(self, status: int) -> int:
        return self.statuses.get(status, 0)

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.is_set():
            stream = number % 2 == 0
            try:
                answer = ask(connection, "POST", "/v1/chat/completions", chat("ok", stream=stream))
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.01)
                continue
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            if answer.status == 200 and (not stream or b"[DONE]" in answer.body):
                self.good[answer.headers["x-request-id"]] = time.monotonic()
            elif answer.status != 200:
                self.codes.add(answer.error["code"])
            time.sleep(0.002 if answer.status == 200 else 0.02)
        connection.close()


def _serves(gateway: GatewayProcess) -> bool:
    return gateway.request(body=chat("ok")).status == 200


def _check(folder: Path, good: dict[str, float]) -> None:
    def unaudited() -> set[str]:
        return set(good) - {row["request_id"] for row in rows(folder) if row["status"] == 200}

    wait_until("every 2xx has a row", lambda: not unaudited())
    assert problems(folder) == []


@contextmanager
def _tmpfs(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()[:200]}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_new_requests_and_loses_no_row(engine: FakeEngine, tmp_path: Path) -> None:
    config = configuration(engine.url, tmp_path)
    with _tmpfs(tmp_path / "disk", "64m") as disk:
        folder = disk / "audit"
        config["audit"] = {"folder": str(folder), "reserve_bytes": 1 << 20}
        with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
            for number in range(ROUNDS):
                clients = Clients(gateway)
                # A stream that began before the disk was full goes on: its row has room held back for it.
                with gateway.connect() as raw, clients.running():
                    clients.wait_for(200, 20)
                    raw.sendall(raw_request(chat("long", stream=True), extra=f"X-Request-Id: long{number}\r\n"))
                    read_until(raw, b"w1 ")
                    _fill(disk / "filler")
                    clients.wait_for(503, 20)
                    before = clients.count(200)
                    read_until(raw, b"[DONE]")
                    time.sleep(0.3)
                    assert clients.count(200) <= before + CLIENTS, "2xx while nothing could be written"
                    ids = {row["request_id"] for row in rows(folder)}
                    assert set(clients.good) <= ids, "in the room held back, while the disk is full"
                    (disk / "filler").unlink()
                    refused = clients.count(503)
                    clients.wait_for(200, 20)
                assert clients.codes == {"audit_unavailable"}
                assert refused > 20
                _check(folder, {**clients.good, f"long{number}": 0})
            assert stop(gateway) == 0
        _check(folder, clients.good)
        assert sum(line["kind"] == "interruption" for line in lines(folder)) == ROUNDS
    print(f"experiment 18, full disk: n = {ROUNDS}")


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"\0" * 4096)
        except OSError:
            return


@pytest.mark.parametrize("fault", ["write", "sync", "write sync"])
def test_a_failing_disk_stops_new_requests_and_loses_no_row(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    switch = tmp_path / "fault"
    monkeypatch.setenv("AUDIT_FAULT", str(switch))
    folder = tmp_path / "audit"
    config = {**configuration(engine.url, tmp_path), "audit": {"folder": str(folder), "reserve_bytes": 65536}}
    config["audit"]["segment_bytes"] = 65536  # so that it also fails while a segment is being closed
    with start_gateway(tmp_path, config, "--accept-seconds", "0", program=FAILING_DISK) as gateway:
        clients = Clients(gateway)
        with clients.running():
            for _ in range(ROUNDS):
                clients.wait_for(200, 20)
                at_fault = clients.count(200)
                switch.write_text(fault)
                clients.wait_for(503, 20)
                # At once, not when the queue of rows (16,384) is full.
                assert clients.count(200) - at_fault < 1000
                before = clients.count(200)
                time.sleep(0.3)
                assert clients.count(200) <= before + CLIENTS
                assert gateway.metric("slipway_gateway_audit_available") == 0.0
                switch.unlink()
                wait_until("it serves again", lambda: _serves(gateway), 20)
        assert stop(gateway) == 0
    assert clients.codes == {"audit_unavailable"}
    _check(folder, clients.good)
    print(f"experiment 18, disk fails to {fault}: n = {ROUNDS}")


def test_a_disk_that_is_full_at_the_start_is_waited_for(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = tmp_path / "fault"
    switch.write_text("write")
    monkeypatch.setenv("AUDIT_FAULT", str(switch))
    folder = tmp_path / "audit"
    config = {**configuration(engine.url, tmp_path), "audit": {"folder": str(folder)}}
    with start_gateway(tmp_path, config, "--accept-seconds", "0", program=FAILING_DISK) as gateway:
        assert gateway.request(body=chat("ok")).error["code"] == "audit_unavailable"
        assert gateway.request(body=chat("ok")).headers["retry-after"] == "5"
        switch.unlink()
        wait_until("it serves", lambda: _serves(gateway), 10)
        assert stop(gateway) == 0
    assert problems(folder) == []


def test_an_end_that_cannot_write_its_rows_says_so(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = tmp_path / "fault"
    monkeypatch.setenv("AUDIT_FAULT", str(switch))
    config = {**configuration(engine.url, tmp_path), "audit": {"folder": str(tmp_path / "audit")}}
    with start_gateway(tmp_path, config, "--accept-seconds", "0", program=FAILING_DISK) as gateway:
        assert _serves(gateway)
        switch.write_text("write sync")
        with gateway.connect() as raw:
            raw.sendall(raw_request(chat("ok")))
            read_until(raw, b"\r\n\r\n")
        assert stop(gateway) == 1, "not 0: rows are lost"
        assert "audit_not_flushed" in gateway.log_file.read_text()


def test_killed_under_load_it_loses_no_more_than_the_window(engine: FakeEngine, tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    config = {**configuration(engine.url, tmp_path), "audit": {"folder": str(folder), "segment_bytes": 65536}}
    good: dict[str, float] = {}
    lost = 0
    oldest = 0.0
    for _ in range(ROUNDS):
        with start_gateway(tmp_path, config) as gateway:
            clients = Clients(gateway)
            with clients.running():
                clients.wait_for(200, 100)
                killed = time.monotonic()
                gateway.process.kill()
                gateway.exit_status()
        with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
            assert _serves(gateway)
            assert stop(gateway) == 0
        assert problems(folder) == []
        kept = {row["request_id"] for row in rows(folder)}
        missing = [moment for identifier, moment in clients.good.items() if identifier not in kept]
        oldest = max([oldest, *(killed - moment for moment in missing)])
        lost += len(missing)
        good |= clients.good
    assert len({file.name[:8] for file in folder.glob("*.jsonl")}) == 1, "one chain goes on"
    assert sum(line["kind"] == "resume" for line in lines(folder)) == ROUNDS
    assert oldest <= WINDOW_SECONDS
    window = f"the oldest answered {oldest * 1000:.0f} ms before"
    print(f"experiment 18, killed: n = {ROUNDS}, {lost} of {len(good)} rows lost, {window}")

"""Gateway: its process. Command line, configuration, reload, drain, and handing its sockets to a successor."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gateway_process import (
    KEY,
    NARROW_KEY,
    OLD_KEY,
    GatewayProcess,
    ask,
    chat,
    configuration,
    raw_request,
    read_to_end,
    read_until,
    sha,
    start_gateway,
    wait_until,
)
from tests.serving.package import PACKAGE
from tests.serving.upstream import LONG_FRAMES, FakeEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


class Load:
    """Clients that ask all the time over kept connections, and count what went wrong."""

    def __init__(self, port: int, clients: int) -> None:
        self.done = 0
        self.failed: list[str] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.is_set():
            stream = number % 2 == 0
            try:
                answer = ask(connection, "POST", "/v1/chat/completions", chat("ok", stream=stream))
                if answer.status != 200 or (stream and b"[DONE]" not in answer.body):
                    self.failed.append(f"{answer.status} {answer.body[-200:]!r}")
                if answer.headers["connection"] == "close":
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
            self.done += 1
            time.sleep(0.002)
        connection.close()

    @contextmanager
    def running(self) -> Iterator[Load]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(20)


def test_reload_under_load_drops_nothing_and_a_bad_file_is_refused(engine: FakeEngine, tmp_path: Path) -> None:
    config = configuration(engine.url, tmp_path)
    file = tmp_path / "gateway.json"
    with start_gateway(tmp_path, config) as gateway, Load(gateway.port, 6).running() as load:
        for number in range(20):
            config["clients"]["narrow"]["requests_per_minute"] = 1000 + number
            text = json.dumps(config)
            file.write_text(text)
            gateway.hang_up()
            assert gateway.notified() == f"reloaded {hashlib.sha256(text.encode()).hexdigest()}"
        for bad in ("{", json.dumps({**config, "versoin": 1}), json.dumps({**config, "models": {}})):
            file.write_text(bad)
            gateway.hang_up()
            assert gateway.notified().startswith(f"refused {file}: ")
        assert gateway.request(body=chat("ok")).status == 200
        time.sleep(0.2)
        done = load.done
    assert load.failed == []
    assert done > 50
    assert [line["event"] for line in gateway.log() if line["event"].startswith("reload")].count("reload_refused") == 3


def test_reload_takes_effect_on_keys_and_keeps_what_runs(engine: FakeEngine, tmp_path: Path) -> None:
    config = configuration(engine.url, tmp_path)
    with start_gateway(tmp_path, config) as gateway, gateway.connect() as raw:
        raw.sendall(raw_request(chat("long", stream=True), key=OLD_KEY))
        read_until(raw, b"w2 ")
        config["clients"]["dev"]["key_sha256"] = [sha(KEY), sha("sk-new")]
        (tmp_path / "gateway.json").write_text(json.dumps(config))
        gateway.hang_up()
        assert gateway.notified().startswith("reloaded ")
        assert [gateway.request(body=chat("ok"), key=key).status for key in (KEY, "sk-new", OLD_KEY)] == [200, 200, 401]
        read_until(raw, b"[DONE]")


def test_reload_is_no_way_to_a_fresh_burst(engine: FakeEngine, tmp_path: Path) -> None:
    config = configuration(engine.url, tmp_path)
    config["clients"]["narrow"]["requests_per_minute"] = 6
    with start_gateway(tmp_path, config) as gateway:
        assert gateway.request("GET", "/v1/models", key=NARROW_KEY).status == 200
        gateway.hang_up()
        gateway.notified()
        assert gateway.request("GET", "/v1/models", key=NARROW_KEY).status == 429


def test_sigterm_finishes_streams_and_still_accepts_for_a_while(engine: FakeEngine, tmp_path: Path) -> None:
    options = ("--accept-seconds", "0.8", "--drain-seconds", "10")
    with start_gateway(tmp_path, configuration(engine.url, tmp_path), *options) as gateway:
        wait_until("ready", lambda: gateway.request("GET", "/ready").status == 200)
        streams = [gateway.connect() for _ in range(20)]
        idle = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        assert ask(idle, "POST", "/v1/chat/completions", chat("ok")).headers["connection"] is None
        for raw in streams:
            raw.sendall(raw_request(chat("long", stream=True)))
        for raw in streams:
            read_until(raw, b"w0 ")
        waiting = gateway.connect()
        waiting.sendall(raw_request(chat("slow")))
        engine.wait_for_call("slow", len(engine.of("slow")) or 1)
        started = time.monotonic()
        gateway.terminate()
        wait_until("not ready", lambda: gateway.request("GET", "/ready").status == 503, 1)
        ready = gateway.request("GET", "/ready", port=gateway.operations)
        assert "draining" in json.loads(ready.body)["reasons"][0]
        fresh = gateway.request(body=chat("ok"))
        assert (fresh.status, fresh.headers["connection"]) == (200, "close")
        kept = ask(idle, "POST", "/v1/chat/completions", chat("ok"))
        assert (kept.status, kept.headers["connection"]) == (200, "close")
        answer = read_to_end(waiting)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer  # its head was not out yet at SIGTERM
        for raw in streams:
            seen = read_until(raw, b"[DONE]")
            assert b"event: error" not in seen
            assert f'"w{LONG_FRAMES - 1} "'.encode() in seen
        assert gateway.exit_status() == 0
        assert 0.8 < time.monotonic() - started < 6
        with pytest.raises(ConnectionRefusedError):
            gateway.connect()
        for raw in [*streams, waiting]:
            raw.close()
        lines = [line["event"] for line in gateway.log()]
        assert "drain_limit" not in lines
        assert "library" not in lines


def test_a_request_that_is_arriving_when_idle_ones_are_closed_is_served(engine: FakeEngine, tmp_path: Path) -> None:
    options = ("--accept-seconds", "0", "--drain-seconds", "10")
    config = configuration(engine.url, tmp_path, header_seconds=5)
    with start_gateway(tmp_path, config, *options) as gateway:
        arriving, idle = gateway.connect(), gateway.connect()
        for raw in (arriving, idle):
            raw.sendall(raw_request(chat("ok")))
            read_until(raw, b'"total_tokens": 10}}')
        gateway.terminate()
        request = raw_request(chat("ok"))
        started = time.monotonic()
        for start in range(0, 90, 15):  # the head takes longer than the grace
            arriving.sendall(request[start : start + 15])
            time.sleep(0.3)
        arriving.sendall(request[90:])
        assert read_to_end(arriving).startswith(b"HTTP/1.1 200")
        assert read_to_end(idle) == b""  # closed in peace, not reset
        assert gateway.exit_status() == 0
        assert time.monotonic() - started < 5


def test_a_kept_connection_is_served_within_the_grace(engine: FakeEngine, tmp_path: Path) -> None:
    with start_gateway(tmp_path, configuration(engine.url, tmp_path), "--accept-seconds", "0") as gateway:
        with gateway.connect() as raw:
            raw.sendall(raw_request(chat("ok")))
            read_until(raw, b'"total_tokens": 10}}')
            gateway.terminate()
            time.sleep(0.5)
            with pytest.raises(ConnectionRefusedError):
                gateway.connect()
            raw.sendall(raw_request(chat("ok")))
            answer = read_to_end(raw)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer
        assert gateway.exit_status() == 0


def test_what_outlasts_the_drain_limit_is_told_so(engine: FakeEngine, tmp_path: Path) -> None:
    config = configuration(engine.url, tmp_path, stream_idle_seconds=30)
    options = ("--accept-seconds", "0", "--drain-seconds", "0.5")
    with start_gateway(tmp_path, config, *options) as gateway:  # noqa: SIM117
        with gateway.connect() as stream, gateway.connect() as whole:
            stream.sendall(raw_request(chat("stall", stream=True)))
            whole.sendall(raw_request(chat("nohdr")))
            read_until(stream, b"w4 ")
            engine.wait_for_call("nohdr", 1)
            started = time.monotonic()
            gateway.terminate()
            ending = read_to_end(stream)
            assert b"event: error" in ending
            assert b"gateway_stopping" in ending
            assert b"[DONE]" not in ending
            assert read_to_end(whole).startswith(b"HTTP/1.1 503")
            assert gateway.exit_status() == 0
            assert time.monotonic() - started < 3


def test_default_drain_outlasts_the_longest_generation(engine: FakeEngine, tmp_path: Path) -> None:
    with start_gateway(tmp_path, configuration(engine.url, tmp_path), "--accept-seconds", "0") as gateway:
        with gateway.connect() as raw:
            raw.sendall(raw_request(chat("long", stream=True)))
            read_until(raw, b"w0 ")
            gateway.terminate()
            gateway.terminate()  # a second signal changes nothing
            read_until(raw, b"[DONE]")
        assert gateway.exit_status() == 0


def test_two_gateways_share_the_sockets_and_no_request_fails(engine: FakeEngine, tmp_path: Path) -> None:
    config = configuration(engine.url, tmp_path)
    public = socket.create_server(("127.0.0.1", 0))
    operations = socket.create_server(("127.0.0.1", 0))
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir()
    start: Callable[..., Any] = lambda folder: start_gateway(  # noqa: E731
        folder, config, "--accept-seconds", "0.3", "--drain-seconds", "10", listen=public, operations=operations
    )
    with Load(public.getsockname()[1], 8).running() as load, start(folders[0]) as first:
        time.sleep(0.5)
        before = load.done
        with start(folders[1]) as second:
            first.terminate()
            assert first.exit_status() == 0
            with start(folders[2]) as third:
                second.terminate()
                assert second.exit_status() == 0
                time.sleep(0.3)
                assert third.request("GET", "/health", port=third.operations).status == 200
                done = load.done
                load._stop.set()
                time.sleep(0.3)
                third.terminate()
                assert third.exit_status() == 0
    assert load.failed == []
    assert before > 10
    assert done - before > 50
    public.close()
    operations.close()


def run_to_end(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving.gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        **options,
    )


def test_a_bad_command_line_or_socket_is_told_in_four_parts(engine: FakeEngine, tmp_path: Path) -> None:
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(configuration(engine.url, tmp_path)))
    taken = socket.create_server(("127.0.0.1", 0))
    used = f"127.0.0.1:{taken.getsockname()[1]}"
    good = ("--config", str(file), "--operations", "127.0.0.1:0")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    os.set_inheritable(udp.fileno(), True)
    cases = [
        (("--config", str(file)), "command line: found "),
        ((*good, "--listen", "nonsense"), "command line: found argument --listen: found 'nonsense'"),
        ((*good, "--listen", "127.0.0.1:99999"), "command line: found "),
        ((*good, "--listen", "127.0.0.1:0", "--drain-seconds", "nan"), "command line: found "),
        ((*good, "--listen", used), "--listen: found 127.0.0.1:"),
        ((*good, "--listen-fd", "777"), "--listen-fd: found descriptor 777, not open"),
        ((*good, "--listen-fd", str(udp.fileno())), "--listen-fd: found descriptor "),
        ((*good, "--listen", "127.0.0.1:0", "--notify-fd", "778"), "--notify-fd: found descriptor 778"),
        (
            ("--config", str(tmp_path / "absent"), *good[2:], "--listen", "127.0.0.1:0"),
            f"{tmp_path}/absent: found No such",
        ),
    ]
    for arguments, expected in cases:
        ended = run_to_end(*arguments, pass_fds=[udp.fileno()])
        assert ended.returncode == 2, ended
        assert ended.stderr.startswith(expected), ended.stderr
        assert "allowed is " in ended.stderr
        assert "Traceback" not in ended.stderr
        assert ended.stdout == ""
    taken.close()
    udp.close()


def _with(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        place: Any = config
        for name in parents:
            place = place[int(name) if isinstance(place, list) else name]
        place[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_with("version", 2), "$: found a problem"),
        (_with("surprise", 1), "$: found a problem (an unknown field, not shown)"),
        (_with("limits/body_bytes", 0), "$.limits.body_bytes"),
        (_with("models/ok/context_tokens", "64"), "models.ok: found a problem (Expected `int`"),
        (_with("models/ok/contextTokens", 64), "models.ok: found a problem (an unknown field, not shown)"),
        (_with("models/ok/max_output_tokens", 65), "models.ok.max_output_tokens: found 65; allowed is 1 to"),
        (
            _with("models/ok/endpoints", ["images"]),
            "models.ok: found a problem (a value that is not one of those allowed, not shown, at",
        ),
        (_with("models/ok/upstreams", []), "models.ok: found a problem"),
        (_with("models/ok/upstreams/0/url", "http://user:pw@host"), "models.ok.upstreams[0].url: found"),
        (_with("models/ok/upstreams/0/url", "ftp://host"), "models.ok.upstreams[0].url: found"),
        (_with("models/ok/upstreams/0/key_file", "/no/such/key"), "models.ok.upstreams[0].key_file: found FileNot"),
        (_with("models/a b", {}), "models: found a name (of entry "),
        (_with("clients/dev/models", ["ok", "gone"]), "clients.dev.models[1]: found another name (not shown)"),
        (_with("clients/dev/key_sha256", ["abc"]), "clients.dev: found a problem"),
        (_with("clients/dev/requests_per_minute", 0), "clients.dev: found a problem"),
        (_with("clients/narrow/key_sha256", [sha(KEY)]), "clients.narrow.key_sha256: found a key that also belongs"),
    ],
)
def test_every_problem_of_the_configuration_is_clear(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], expected: str
) -> None:
    from serving.gateway.config import ConfigProblem, load_config

    config = configuration("http://127.0.0.1:1", tmp_path)
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(config))
    assert load_config(file).sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    change(config)
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigProblem) as caught:
        load_config(file)
    assert any(expected in problem for problem in caught.value.problems), caught.value.problems
    assert all(problem.startswith(f"{file}: ") and "allowed is " in problem for problem in caught.value.problems)
    assert not any(KEY in problem or "pw@" in problem for problem in caught.value.problems)


def test_all_problems_are_told_at_once_and_the_process_ends_with_2(tmp_path: Path) -> None:
    config = configuration("http://127.0.0.1:1", tmp_path)
    _with("models/ok/max_output_tokens", 65)(config)
    _with("clients/dev/requests_per_minute", 0)(config)
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(config))
    ended = run_to_end("--config", str(file), "--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 2
    assert "Traceback" not in ended.stderr


def test_sigint_ends_it_too_and_a_gone_listener_of_notifications_does_no_harm(
    engine: FakeEngine, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    config = configuration(engine.url, tmp_path)
    options = ("--accept-seconds", "0")
    with start_gateway(tmp_path, config, *options) as gateway:
        assert isinstance(gateway, GatewayProcess)
        gateway.process.send_signal(2)
        assert gateway.exit_status() == 0
    os.close(writing)

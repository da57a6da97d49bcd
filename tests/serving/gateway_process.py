"""Starts real gateway processes and talks plain HTTP to them: what the gateway tests share."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving.package import PACKAGE
from tests.serving.upstream import MODELS

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-dev-canary-4f1d"
OLD_KEY = "sk-dev-old-canary-77aa"
NARROW_KEY = "sk-narrow-canary-91bc"
LIMITED_KEY = "sk-limited-canary-0d3e"
ENGINE_KEY = "engine-canary-5c2b"
PROMPT = "prompt-canary-4111-1111-1111-1111"


def sha(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def free_port() -> int:
    """A free port below those that the system gives to outgoing connections, which may take one at any moment."""
    while True:
        port = random.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def configuration(engine_url: str, folder: Path, **limits: Any) -> dict[str, Any]:
    """A configuration with every behaviour of the fake engine as a model, and short limits."""
    key_file = folder / "engine.key"
    key_file.write_text(ENGINE_KEY + "\n")
    model = {
        "upstreams": [{"url": engine_url, "key_file": str(key_file)}],
        "context_tokens": 64,
        "max_output_tokens": 32,
        "endpoints": ["chat_completions", "completions"],
        "longest_generation_seconds": 20,
    }
    models = {name: dict(model) for name in MODELS}
    models["embed"] = {**model, "endpoints": ["embeddings"]}
    models["endless"] = {**model, "longest_generation_seconds": 1}
    models["big"] = {**model, "endpoints": ["chat_completions", "embeddings"]}
    return {
        "version": 1,
        "models": models,
        "clients": {
            "dev": {"key_sha256": [sha(KEY), sha(OLD_KEY)], "models": sorted(models), "requests_per_minute": None},
            "narrow": {"key_sha256": [sha(NARROW_KEY)], "models": ["ok"], "requests_per_minute": None},
            "limited": {"key_sha256": [sha(LIMITED_KEY)], "models": ["ok"], "requests_per_minute": 30},
        },
        "limits": {
            "body_bytes": 65536,
            "messages": 16,
            "choices": 4,
            "connect_seconds": 2,
            "keep_alive_seconds": 30,
            "first_byte_seconds": 1,
            "stream_idle_seconds": 1,
            "header_seconds": 1,
            "body_seconds": 1,
            **limits,
        },
    }


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The OpenAI-shaped error, its shape checked."""
        error = json.loads(self.body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        return error


class GatewayProcess:
    """One running gateway. Every wait has a limit."""

    def __init__(self, process: subprocess.Popen[bytes], notify: int, port: int, operations: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.operations = operations
        self.log_file = log
        self._notify = notify
        self._lines = b""

    def notified(self, seconds: float = 60) -> str:
        """The next line on the notify descriptor."""
        end = time.monotonic() + seconds
        while b"\n" not in self._lines:
            ready, _, _ = select.select([self._notify], [], [], max(0, end - time.monotonic()))
            assert ready, f"no notification; log: {self.log_file.read_text()[-2000:]}"
            piece = os.read(self._notify, 65536)
            assert piece, f"gateway ended; log: {self.log_file.read_text()[-2000:]}"
            self._lines += piece
        line, _, self._lines = self._lines.partition(b"\n")
        return line.decode()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def exit_status(self, seconds: float = 15) -> int:
        return self.process.wait(seconds)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def request(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        body: Any = None,
        key: str | None = KEY,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> Answer:
        """One request on its own connection. `body` is sent as JSON unless it is bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=15)
        try:
            return ask(connection, method, path, body, key, headers)
        finally:
            connection.close()

    def log(self) -> list[dict[str, Any]]:
        time.sleep(0.1)  # the log is written in batches of 20 ms
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def metric(self, name: str) -> float:
        """One sample, by its full text up to the value; 0 when it is not there."""
        text = self.request("GET", "/metrics", port=self.operations).body.decode()
        return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + " ")), 0.0)


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any,
    key: str | None = KEY,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request on a connection that may be kept."""
    sent = dict(headers or {})
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data, sent)
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


def chat(model: str, **fields: Any) -> dict[str, Any]:
    """A chat request that carries the prompt canary."""
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}], **fields}


def raw_request(body: Any, *, path: str = "/v1/chat/completions", key: str = KEY, extra: str = "") -> bytes:
    """The bytes of one request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{extra}Content-Length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data


def read_until(connection: socket.socket, mark: bytes, seconds: float = 10) -> bytes:
    """Read until `mark` was seen; fails when the connection ends before."""
    connection.settimeout(seconds)
    seen = b""
    while mark not in seen:
        piece = connection.recv(65536)
        assert piece, f"connection ended after {seen[-200:]!r}"
        seen += piece
    return seen


def read_to_end(connection: socket.socket, seconds: float = 10) -> bytes:
    connection.settimeout(seconds)
    seen = b""
    while piece := connection.recv(65536):
        seen += piece
    return seen


def wait_until(what: str, condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


@contextmanager
def start_gateway(
    folder: Path,
    config: dict[str, Any],
    *options: str,
    listen: socket.socket | None = None,
    operations: socket.socket | None = None,
    wait_ready: bool = True,
    program: tuple[str, ...] = ("-m", "serving.gateway"),
) -> Iterator[GatewayProcess]:
    """Write `config`, start a gateway and wait until it says `ready`; killed at the end if it still runs."""
    config_file = folder / "gateway.json"
    config_file.write_text(json.dumps(config))
    reading, writing = os.pipe()
    passed = [writing]
    arguments = ["--config", str(config_file), "--notify-fd", str(writing), *options]
    if listen is None:
        port = free_port()
        arguments += ["--listen", f"127.0.0.1:{port}"]
    else:
        port = listen.getsockname()[1]
        passed.append(listen.fileno())
        arguments += ["--listen-fd", str(listen.fileno())]
    if operations is None:
        operations_port = free_port()
        arguments += ["--operations", f"127.0.0.1:{operations_port}"]
    else:
        operations_port = operations.getsockname()[1]
        passed.append(operations.fileno())
        arguments += ["--operations-fd", str(operations.fileno())]
    log_file = folder / f"gateway-{time.monotonic_ns()}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=passed,
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        )
    os.close(writing)
    gateway = GatewayProcess(process, reading, port, operations_port, log_file)
    try:
        if wait_ready:
            assert gateway.notified() == "ready"
        yield gateway
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(reading)

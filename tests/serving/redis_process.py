"""A real redis-server of a test: on a free port, in a private folder, stopped at the end. Skips where there is none."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving.gateway_process import free_port

PASSWORD = "redis-canary-8d21"


class RedisProcess:
    """One server that can be stopped, paused and started again on the same port. It keeps nothing on disk."""

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None) -> None:
        binary = shutil.which("redis-server") or shutil.which("valkey-server")
        if binary is None:
            pytest.skip("redis-server is not installed")
        self._binary = binary
        self._folder = folder
        self.port = free_port()
        self._tls = tls
        scheme = "redis" if tls is None else "rediss"
        self.url = f"{scheme}://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self.url_file = folder / "redis.url"
        self.url_file.write_text(self.url + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = ["--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        if self._tls is None:
            settings += ["--port", str(self.port)]
        else:
            certificate, key = map(str, self._tls)
            settings += ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            settings += ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate]
        self._process = subprocess.Popen(
            [self._binary, *settings, "--appendonly", "no", "--requirepass", PASSWORD],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < end, "redis-server did not start within 10 s"
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def start_redis(folder: Path, tls: tuple[Path, Path] | None = None) -> Iterator[RedisProcess]:
    server = RedisProcess(folder, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()

"""Experiment 12: a body of 64 MiB. Pass: 413, and memory grows by at most twice the body limit."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import KEY, GatewayProcess, chat, configuration, read_to_end, start_gateway
from tests.serving.upstream import FakeEngine

BODY_LIMIT = 4 * 1024 * 1024
SIZE = 64 * 1024 * 1024
PIECE = b"x" * 65536


def memory(gateway: GatewayProcess, field: str) -> int:
    """VmRSS (now) or VmHWM (the most since it was last reset), in bytes."""
    text = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(field))


def send_all(raw: socket.socket, framed: bool) -> bytes:
    """Send the whole of it, whatever the gateway says meanwhile, and then read."""
    raw.settimeout(5)
    with contextlib.suppress(OSError):
        for _ in range(SIZE // len(PIECE)):
            raw.sendall(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if framed else PIECE)
    with contextlib.suppress(ConnectionResetError):
        return read_to_end(raw)
    return b""


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_64_mib_body_is_refused_and_not_held(engine: FakeEngine, tmp_path: Path, times: Times, framing: str) -> None:
    config = configuration(engine.url, tmp_path, body_bytes=BODY_LIMIT, body_seconds=10)
    config["models"]["ok"]["context_tokens"] = 1_000_000
    with start_gateway(tmp_path, config) as gateway:
        fits = chat("ok", messages=[{"role": "user", "content": "y" * (BODY_LIMIT - 1000)}])
        assert gateway.request(body=fits).status == 200  # what it has to be able to hold, it holds
        for _ in range(times(10, 2)):
            before = memory(gateway, "VmRSS")
            Path(f"/proc/{gateway.process.pid}/clear_refs").write_text("5")
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            announced = f"Content-Length: {SIZE}" if framing == "content-length" else "Transfer-Encoding: chunked"
            with gateway.connect() as raw:
                raw.sendall(f"{head}{announced}\r\n\r\n".encode())
                answer = send_all(raw, framing == "chunked")
            assert answer.startswith(b"HTTP/1.1 413"), answer[:100]
            assert memory(gateway, "VmHWM") - before <= 2 * BODY_LIMIT
        assert len(engine.of("ok")) == 1
        assert gateway.request(body=chat("ok")).status == 200

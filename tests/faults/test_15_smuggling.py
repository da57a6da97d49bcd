"""Experiment 15: requests that two readers would read differently, 8 forms. Pass: each is rejected and its connection
closed, and what was hidden behind it is not answered."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import KEY, chat, configuration, raw_request, read_to_end, start_gateway
from tests.serving.upstream import FakeEngine

FORMS = {
    "content-length and transfer-encoding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "two content-lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n",
    "unknown transfer coding": b"Transfer-Encoding: banana\r\n",
    "content-length with a sign": b"Content-Length: +2\r\n",
    "folded header": b"X-A: b\r\n folded\r\nContent-Length: 2\r\n",
    "bare line feed": b"X-A: b\nContent-Length: 2\r\n",
    "space before the colon": b"Content-Length : 2\r\n",
    "nul in a value": b"X-A: a\x00b\r\nContent-Length: 2\r\n",
}


@pytest.mark.parametrize("form", list(FORMS))
def test_ambiguous_requests_are_rejected_and_cut(engine: FakeEngine, tmp_path: Path, times: Times, form: str) -> None:
    number = times(10, 3)
    with start_gateway(tmp_path, configuration(engine.url, tmp_path)) as gateway:
        for _ in range(number):
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n".encode()
            answer = b""
            with gateway.connect() as raw:
                raw.sendall(head + FORMS[form] + b"\r\n{}" + raw_request(chat("ok")))
                with contextlib.suppress(ConnectionResetError):
                    answer = read_to_end(raw, 5)  # a timeout here: the connection was left open
            assert answer.count(b"HTTP/1.1 ") <= 1
            assert answer[:12] in (b"HTTP/1.1 400", b"")
        assert engine.calls == []
        assert gateway.request(body=chat("ok")).status == 200

"""The smoke test before a front door that lets nobody in without a certificate: a real one, over TLS."""

from __future__ import annotations

import ssl
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.serving.certificates import Authority
from tools.deploy import smoke


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library calls it
        del format, args


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    monkeypatch.delenv("SLIPWAY_CLIENT_CERTIFICATE", raising=False)
    return made


@pytest.fixture
def stack(authority: Authority) -> Iterator[smoke.Stack]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server())
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield smoke.Stack(endpoint=f"https://127.0.0.1:{server.server_address[1]}", key="k", tasks={})
        server.shutdown()
        thread.join()


def test_it_shows_the_certificate_that_is_named(
    stack: smoke.Stack, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.issue("smoke")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    monkeypatch.setenv("SLIPWAY_CLIENT_CERTIFICATE", str(both))
    assert smoke._ask(stack, "/") == (200, "ok")  # pyright: ignore[reportPrivateUsage]


def test_without_one_it_is_not_let_in(stack: smoke.Stack) -> None:
    with pytest.raises((OSError, urllib.error.URLError)):
        smoke._ask(stack, "/")  # pyright: ignore[reportPrivateUsage]

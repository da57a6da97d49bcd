"""Gateway: TLS at the public listener. Versions, certificates that change, own ones, and clients' certificates."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.serving.certificates import Authority, ask_over_tls, trusting
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


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def secured(engine: FakeEngine, folder: Path, pair: tuple[Path, Path], **tls: Any) -> dict[str, Any]:
    config = configuration(engine.url, folder)
    config["tls"] = {"certificate_file": str(pair[0]), "key_file": str(pair[1]), **tls}
    return config


def open_tls(gateway: GatewayProcess, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    try:
        return context.wrap_socket(raw, server_hostname="localhost")
    except BaseException:
        raw.close()
        raise


def shown(gateway: GatewayProcess, context: ssl.SSLContext) -> bytes:
    with open_tls(gateway, context) as connection:
        certificate = connection.getpeercert(binary_form=True)
    assert certificate
    return certificate


def der(pair: tuple[Path, Path]) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair[0].read_text())


def test_requests_streams_and_limits_work_over_tls(engine: FakeEngine, authority: Authority, tmp_path: Path) -> None:
    context = trusting(authority.file)
    with start_gateway(tmp_path, secured(engine, tmp_path, authority.server())) as gateway:
        assert ask_over_tls(gateway.port, context, chat("ok")).status == 200
        stream = ask_over_tls(gateway.port, context, chat("ok", stream=True))
        assert stream.body.endswith(b"data: [DONE]\n\n")
        assert ask_over_tls(gateway.port, context, chat("ok"), key="wrong").status == 401
        assert ask_over_tls(gateway.port, context, b"x" * 200_000).status == 413
        assert gateway.request("GET", "/health", port=gateway.operations).status == 200  # the others stay plain
        count = len(engine.of("stall")) + 1
        with open_tls(gateway, context) as raw:
            raw.sendall(raw_request(chat("stall", stream=True)))
            read_until(raw, b"w4 ")
        call = engine.of("stall")[count - 1]
        wait_until("the engine is told of the departure", lambda: call.closed is not None, 0.5)
        with contextlib.suppress(OSError), gateway.connect() as plain:
            plain.sendall(raw_request(chat("ok")))
            assert b"HTTP/1.1 200" not in plain.recv(1000)


def test_old_versions_and_weak_ciphers_are_refused(engine: FakeEngine, authority: Authority, tmp_path: Path) -> None:
    with start_gateway(tmp_path, secured(engine, tmp_path, authority.server())) as gateway:
        context = trusting(authority.file)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with open_tls(gateway, context) as connection:
            assert connection.version() == "TLSv1.3"
            assert connection.selected_alpn_protocol() == "http/1.1"
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with open_tls(gateway, context) as connection:
            assert connection.version() == "TLSv1.2"
            name = connection.cipher()[0]  # type: ignore[index]
            assert name.startswith("ECDHE-")
            assert "GCM" in name or "CHACHA20" in name
        for weak in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"):
            context = trusting(authority.file)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(weak)
            with pytest.raises(OSError, match=r"(?i)alert|handshake|reset|eof"):
                open_tls(gateway, context)
        old = trusting(authority.file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(OSError, match=r"(?i)alert|version|protocol|reset|eof"):
            open_tls(gateway, old)
    with start_gateway(tmp_path, secured(engine, tmp_path, authority.server(), minimum_version="1.3")) as gateway:
        context = trusting(authority.file)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError, match=r"(?i)alert|version|reset|eof"):
            open_tls(gateway, context)
        assert ask_over_tls(gateway.port, trusting(authority.file), chat("ok")).status == 200


def test_changed_files_are_taken_over_and_bad_ones_are_not(
    engine: FakeEngine, authority: Authority, tmp_path: Path
) -> None:
    context = trusting(authority.file)
    pair = authority.server("changing")
    first = der(pair)
    with start_gateway(tmp_path, secured(engine, tmp_path, pair)) as gateway:
        with open_tls(gateway, context) as kept:
            kept.sendall(raw_request(chat("ok")))
            read_until(kept, b'"total_tokens": 10}}')
            streaming = open_tls(gateway, context)
            streaming.sendall(raw_request(chat("long", stream=True)))
            read_until(streaming, b"w1 ")
            assert shown(gateway, context) == first
            authority.server("changing")
            second = der(pair)
            assert second != first
            wait_until("the new one is shown", lambda: shown(gateway, context) == second, 10)
            kept.sendall(raw_request(chat("ok")))  # an open connection goes on
            read_until(kept, b'"total_tokens": 10}}')
            read_until(streaming, b"[DONE]")
            streaming.close()
        pair[0].write_text("nonsense")
        refused = 'slipway_gateway_certificate_reloads_total{result="refused"}'
        wait_until("refused", lambda: gateway.metric(refused) >= 1, 10)
        assert shown(gateway, context) == second
        pair[0].write_bytes(authority.server("another")[0].read_bytes())  # not of this key
        wait_until("refused again", lambda: gateway.metric(refused) >= 2, 10)
        assert shown(gateway, context) == second
        assert ask_over_tls(gateway.port, context, chat("ok")).status == 200
        authority.server("changing")
        wait_until("good again", lambda: shown(gateway, context) == der(pair), 10)
        assert gateway.metric('slipway_gateway_certificate_reloads_total{result="done"}') == 2
        ends = x509.load_pem_x509_certificate(pair[0].read_bytes()).not_valid_after_utc.timestamp()
        assert gateway.metric("slipway_gateway_certificate_expires_timestamp_seconds") == ends
        events = [line["event"] for line in gateway.log()]
        assert events.count("certificate_refused") == 2
        assert "PRIVATE KEY" not in gateway.log_file.read_text()


class TlsLoad:
    """New TLS connections, one request each, all the time."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.done = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(port, context)) for _ in range(3)]

    def _run(self, port: int, context: ssl.SSLContext) -> None:
        while not self._stop.is_set():
            try:
                answer = ask_over_tls(port, context, chat("ok"))
                if answer.status != 200:
                    self.failed.append(str(answer.status))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
            self.done += 1

    def __enter__(self) -> TlsLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)


def test_reloads_under_tls_drop_no_connection(engine: FakeEngine, authority: Authority, tmp_path: Path) -> None:
    context = trusting(authority.file)
    pair = authority.server("reloaded")
    config = secured(engine, tmp_path, pair)
    file = tmp_path / "gateway.json"
    with start_gateway(tmp_path, config) as gateway, TlsLoad(gateway.port, context) as load:
        for number in range(20):
            authority.server("reloaded")
            config["clients"]["narrow"]["requests_per_minute"] = 1000 + number
            text = json.dumps(config)
            file.write_text(text)
            gateway.hang_up()
            assert gateway.notified() == f"reloaded {hashlib.sha256(text.encode()).hexdigest()}"
            assert shown(gateway, context) == der(pair)  # what was notified is so
        pair[1].write_text("nonsense")
        gateway.hang_up()
        assert gateway.notified().startswith(f"refused {file}: tls.certificate_file: found ")
        time.sleep(0.3)
        done = load.done
    assert load.failed == []
    assert done > 20


def test_a_handshake_that_never_ends_is_cut(engine: FakeEngine, authority: Authority, tmp_path: Path) -> None:
    with start_gateway(tmp_path, secured(engine, tmp_path, authority.server())) as gateway:
        with gateway.connect() as silent, gateway.connect() as slow:
            slow.sendall(b"\x16\x03\x01")
            started = time.monotonic()
            for raw in (silent, slow):
                raw.settimeout(6)
                with contextlib.suppress(ConnectionResetError):
                    assert raw.recv(100) == b""
            assert time.monotonic() - started < 5
        assert ask_over_tls(gateway.port, trusting(authority.file), chat("ok")).status == 200


def test_drain_and_successors_work_over_tls(engine: FakeEngine, authority: Authority, tmp_path: Path) -> None:
    context = trusting(authority.file)
    public = socket.create_server(("127.0.0.1", 0))
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    options = ("--accept-seconds", "0.3", "--drain-seconds", "10")
    config = secured(engine, tmp_path, authority.server())
    config["limits"]["header_seconds"] = 10
    with (
        start_gateway(folders[0], config, *options, listen=public) as first,
        TlsLoad(first.port, context) as load,
    ):
        idle = http.client.HTTPSConnection("127.0.0.1", first.port, timeout=10, context=context)
        assert ask(idle, "POST", "/v1/chat/completions", chat("ok")).status == 200
        with open_tls(first, context) as stream, start_gateway(folders[1], config, *options, listen=public) as second:
            stream.sendall(raw_request(chat("long", stream=True)))
            read_until(stream, b"w0 ")
            first.terminate()
            read_until(stream, b"[DONE]")
            assert first.exit_status() == 0
            time.sleep(0.3)
            load._stop.set()
            time.sleep(0.5)
            second.terminate()
            assert second.exit_status() == 0
        idle.close()
    assert load.failed == []
    public.close()

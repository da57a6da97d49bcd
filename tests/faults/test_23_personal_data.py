"""Experiment 23: personal data cut across stream chunks, and a gateway killed in the middle of a stream. Pass: 0
canaries in what engines got, in logs, metrics and files; clients see whole values of their own, or none."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

from tests.faults.conftest import Times
from tests.serving.audit_files import wait_for_rows
from tests.serving.echoing import KEYS, LEAKED, private_configuration
from tests.serving.gateway_process import GatewayProcess, raw_request, read_until, start_gateway
from tests.serving.upstream import FakeEngine

MODES = ("tokenise", "mask", "scan")


def canaries(number: int) -> list[str]:
    """Values that no other request has, each a public test number or under a reserved name."""
    return [f"canary{number}.person@example.com", "4111 1111 1111 1111", f"+1 (212) 555-01{number % 100:02d}"]


def parts(values: list[str]) -> list[str]:
    """The pieces of values that tell something: a leak need not be whole."""
    return [*values, *(value[:8] for value in values), *(value[-8:] for value in values)]


def prompt(number: int) -> str:
    return " then ".join(f"say {value}" for value in canaries(number) * 3)


def body(mode: str, number: int, model: str) -> bytes:
    return raw_request(
        {"model": model, "stream": True, "messages": [{"role": "user", "content": prompt(number)}]}, key=KEYS[mode]
    )


def audited(engine: FakeEngine, folder: Path) -> dict[str, Any]:
    return {**private_configuration(engine.url, folder), "audit": {"folder": str(folder / "audit")}}


def read_all(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    seen = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return seen
        if not piece or b"data: [DONE]" in seen + piece:
            return seen + piece
        seen += piece


def text_of(stream: bytes) -> str:
    """The deltas of a stream that may end anywhere, put together; incomplete events count as they are."""
    _, _, chunks = stream.partition(b"\r\n\r\n")
    body = b""
    while b"\r\n" in chunks:
        size, _, rest = chunks.partition(b"\r\n")
        length = int(size or b"0", 16)
        body += rest[:length]
        chunks = rest[length + 2 :]
    pieces = re.findall(rb'"content": ?"((?:[^"\\]|\\.)*)', body)
    return b"".join(pieces).decode(errors="replace")


def assert_clean(where: str, text: str | bytes, number: int) -> None:
    data = text.encode() if isinstance(text, str) else text
    for part in parts([*canaries(number), LEAKED]):
        assert part.encode() not in data, f"{part[:3]}… in {where}"


def sweep(engine: FakeEngine, gateway: GatewayProcess, folder: Path, numbers: range, metrics: bytes) -> int:
    """Everything that outlives the requests; how many places were searched."""
    places: list[tuple[str, bytes]] = [("metrics", metrics)]
    places += [(f"call {place}", call.raw + str(call.headers).encode()) for place, call in enumerate(engine.calls)]
    places += [(str(file), file.read_bytes()) for file in folder.rglob("*") if file.is_file()]
    assert gateway.log_file in set(folder.rglob("*"))
    for where, data in places:
        for number in numbers:
            assert_clean(where, data, number)
    return len(places)


def test_values_cut_across_chunks_come_back_whole_and_leave_no_trace(
    engine: FakeEngine, tmp_path: Path, times: Times
) -> None:
    n = times(100, what="streams per mode")
    with start_gateway(tmp_path, audited(engine, tmp_path)) as gateway:
        for number in range(n):
            for mode in MODES:
                with gateway.connect() as connection:
                    connection.sendall(body(mode, number, "leak" if mode == "scan" else "echo"))
                    stream = read_all(connection)
                text = text_of(stream)
                assert b"event: error" not in stream
                if mode == "mask":
                    assert_clean("client", stream, number)
                    assert text.count("[EMAIL]") == 3
                else:
                    assert prompt(number) in text
                    assert LEAKED not in text
        metrics = gateway.request("GET", "/metrics", port=gateway.operations).body
        assert b"slipway_gateway_privacy_findings_total" in metrics
        gateway.log()
        rows = wait_for_rows(tmp_path / "audit", 3 * n)
        assert any("privacy:tokenise:email" in (row.get("decisions") or ()) for row in rows)
        assert sweep(engine, gateway, tmp_path, range(n), metrics) > 3 * n


def test_a_gateway_killed_in_the_middle_leaves_nothing_behind(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    n = times(100, what="streams cut by the kill")
    config = audited(engine, tmp_path)
    with start_gateway(tmp_path, config) as gateway:
        connections: list[tuple[str, int, socket.socket]] = []
        for number in range(n):
            mode = MODES[number % 2]
            connection = gateway.connect()
            connection.sendall(body(mode, number, "echoslow"))
            connections.append((mode, number, connection))
        heads = [read_until(connection, b"data: {") for _, _, connection in connections]
        metrics = gateway.request("GET", "/metrics", port=gateway.operations).body
        gateway.process.kill()
        gateway.process.wait(10)
        cut = 0
        for (mode, number, connection), head in zip(connections, heads, strict=True):
            with connection:
                stream = head + read_all(connection)
            cut += b"[DONE]" not in stream
            text = text_of(stream)
            if mode == "mask":
                assert_clean("client", stream, number)
            else:
                # Its own prompt, as far as it came, and no other's: no half placeholder, no foreign value.
                assert prompt(number).startswith(text)
        assert cut == n
        assert sweep(engine, gateway, tmp_path, range(n), metrics) > n


def test_an_engine_lost_in_the_middle_gives_nothing_half(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    n = times(100)
    with start_gateway(tmp_path, audited(engine, tmp_path)) as gateway:
        for number in range(n):
            mode = MODES[number % 2]
            with gateway.connect() as connection:
                connection.sendall(body(mode, number, "echocut"))
                stream = read_until(connection, b"engine_connection_lost")
            assert b"event: error" in stream
            text = text_of(stream)
            if mode == "mask":
                assert_clean("client", stream, number)
            else:
                assert prompt(number).startswith(text)
        gateway.log()
        metrics = gateway.request("GET", "/metrics", port=gateway.operations).body
        sweep(engine, gateway, tmp_path, range(n), metrics)

"""Whom the public asks for a domain: a resolver of ours answers on the wire, as resolvers write it and wrongly."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.doctor import name_servers


def record(owner: bytes, kind: int, content: bytes) -> bytes:
    return owner + struct.pack("!2HIH", kind, 1, 60, len(content)) + content


def labels(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


@contextmanager
def resolver(monkeypatch: pytest.MonkeyPatch, answers: list[bytes], flags: int = 0x8180) -> Iterator[None]:
    """Answers one question, whoever asks."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as serving:
        serving.bind(("127.0.0.1", 0))
        serving.settimeout(30)

        def once() -> None:
            asked, whom = serving.recvfrom(512)
            header = asked[:2] + struct.pack("!5H", flags, 1, len(answers), 0, 0)
            serving.sendto(header + asked[12:] + b"".join(answers), whom)

        monkeypatch.setattr(name_servers, "resolvers", lambda: [("127.0.0.1", serving.getsockname()[1])])
        answering = threading.Thread(target=once)
        answering.start()
        yield
        answering.join()


def test_name_servers_are_read_as_resolvers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = b"\xc0\x0c"  # what was asked for, at byte 12
    full = record(owner, 2, labels("NS-1.awsdns-01.com"))
    # example.com ends at byte 12: its `com` is at 12 + 1 + 7 = 20.
    pointed = record(owner, 2, b"\x04ns-2\x09awsdns-02\xc0\x14")
    other = record(owner, 46, b"signature")
    with resolver(monkeypatch, [full, other, pointed]):
        assert name_servers.public_name_servers("example.com") == {"ns-1.awsdns-01.com", "ns-2.awsdns-02.com"}


def test_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with resolver(monkeypatch, [], flags=0x8183):
        assert name_servers.public_name_servers("example.com") == set()


@pytest.mark.parametrize(
    ("answers", "flags"),
    [
        ([], 0x8182),  # the resolver failed
        ([record(b"\xc0\x0c", 2, b"\xc0\x29")], 0x8180),  # a name that points to itself, at byte 41
        ([b"\xc0\x0c\0"], 0x8180),  # cut off
    ],
)
def test_an_answer_that_is_none(answers: list[bytes], flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with resolver(monkeypatch, answers, flags):
        assert name_servers.public_name_servers("example.com") is None


def test_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_servers, "resolvers", list[tuple[str, int]])
    assert name_servers.public_name_servers("example.com") is None


def test_resolvers_are_those_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(name_servers, "RESOLVERS", tmp_path / "resolv.conf")
    assert name_servers.resolvers() == []
    (tmp_path / "resolv.conf").write_text("# mine\nnameserver 192.0.2.1\nsearch x\nnameserver 2001:db8::1\n")
    assert name_servers.resolvers() == [("192.0.2.1", 53), ("2001:db8::1", 53)]

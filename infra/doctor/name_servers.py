"""Which name servers the public asks for a domain: one question to this machine's resolver, as RFC 1035 has it.

The standard library resolves addresses only, and no library that is here asks for anything else.
"""

from __future__ import annotations

import secrets
import socket
import struct
from pathlib import Path

RESOLVERS = Path("/etc/resolv.conf")
PORT, ANSWER_SECONDS, LARGEST = 53, 3, 4096
NS, IN, RECURSION, FAILED, NO_SUCH_NAME, POINTER = 2, 1, 0x0100, 0x000F, 3, 0xC0
HEADER, RECORD = struct.Struct("!6H"), struct.Struct("!2HIH")


def resolvers() -> list[tuple[str, int]]:
    """Those of this machine, in its order."""
    try:
        lines = [line.split() for line in RESOLVERS.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return []
    return [(words[1], PORT) for words in lines if len(words) > 1 and words[0] == "nameserver"]


def public_name_servers(name: str) -> set[str] | None:
    """In lower case and without a dot at the end: none where nobody answers for that name, None where nobody can be
    asked."""
    for host, port in resolvers():
        try:
            return _asked(name, host, port)
        except (OSError, ValueError, struct.error, IndexError):
            continue
    return None


def _asked(name: str, host: str, port: int) -> set[str]:
    identity = secrets.randbits(16)
    question = b"".join(bytes([len(part)]) + part.encode("ascii") for part in name.rstrip(".").split(".")) + b"\0"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(ANSWER_SECONDS)
        asking.connect((host, port))
        asking.send(HEADER.pack(identity, RECURSION, 1, 0, 0, 0) + question + struct.pack("!2H", NS, IN))
        said = asking.recv(LARGEST)
    answered, flags, questions, answers, _, _ = HEADER.unpack_from(said)
    if answered != identity:
        raise ValueError("an answer to somebody else")
    if flags & FAILED == NO_SUCH_NAME:
        return set()
    if flags & FAILED:
        raise ValueError("the resolver could not tell")
    place = HEADER.size
    for _ in range(questions):
        place = _name(said, place)[1] + 4
    found: set[str] = set()
    for _ in range(answers):
        _, place = _name(said, place)
        kind, _, _, length = RECORD.unpack_from(said, place)
        place += RECORD.size
        if kind == NS:
            found.add(_name(said, place)[0].lower())
        place += length
    return found


def _name(said: bytes, place: int) -> tuple[str, int]:
    """A name, and where what follows it begins. Parts that were said before are only pointed at, backwards."""
    parts: list[str] = []
    after = None
    while said[place]:
        length = said[place]
        if length & POINTER == POINTER:
            after = after or place + 2
            earlier = struct.unpack_from("!H", said, place)[0] & 0x3FFF
            if earlier >= place:
                raise ValueError("a name that points forward")
            place = earlier
            continue
        parts.append(said[place + 1 : place + 1 + length].decode("ascii"))
        place += 1 + length
    return ".".join(parts), after or place + 1

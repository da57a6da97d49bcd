"""Random requests and bodies of requests: good ones, wrong ones, and bytes that are no JSON or no HTTP any more."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

from tests.serving.gateway_process import PROMPT, chat


def fuzzed_body(randomness: random.Random) -> bytes:
    values: list[Any] = [None, True, -1, 0, 1, 10**9, 10**25, 1e300, -0.5, "", "x" * 50, [], {}, [[]], {"a": 1}]
    document: Any = chat("ok", max_tokens=4, temperature=1, n=1, stream=randomness.random() < 0.2)
    document["prompt"] = PROMPT
    document["input"] = PROMPT
    names = [*document, "stop", "seed", "tools", "best_of", "stream_options", "max_completion_tokens", "\ud7ff", ""]
    for _ in range(randomness.randint(0, 4)):
        document[randomness.choice(names)] = randomness.choice(values)
    if randomness.random() < 0.3:
        messages: Any = [{"role": randomness.choice(values), "content": randomness.choice(values)}]
        document["messages"] = messages * randomness.randint(0, 20)
    data = bytearray(json.dumps(document, ensure_ascii=randomness.random() < 0.5).encode())
    for _ in range(randomness.choice([0, 0, 0, 1, 3, 20])):
        where = randomness.randrange(len(data))
        match randomness.randint(0, 3):
            case 0:
                data[where] = randomness.randrange(256)
            case 1:
                del data[where : where + randomness.randint(1, 30)]
            case 2:
                data[where:where] = bytes(randomness.randrange(256) for _ in range(randomness.randint(1, 8)))
            case _:
                data[where:where] = randomness.choice([b"{", b"[", b'"', b"\\u0000", b"NaN", b"1e999", b":", b","])
        if not data:
            data = bytearray(b"x")
    return bytes(data)


def fuzzed_request(randomness: random.Random, body: bytes, key: str) -> list[bytes]:
    """A whole request in the pieces it is sent in; in most of them its head or its framing has suffered."""
    path = randomness.choice(
        ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/", "*", "/%00"]
    )
    method = randomness.choice(["POST"] * 12 + ["GET", "HEAD", "PUT", "OPTIONS", "CONNECT", "PRI", "get"])
    version = randomness.choice(["HTTP/1.1"] * 12 + ["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTX/1.1"])
    credential = randomness.choice(
        [f"Bearer {key}"] * 12 + ["Bearer x", "Basic Zm9v", "", "Bearer \xff", "Bearer " * 99]
    )
    length = randomness.choice([len(body)] * 16 + [0, -1, len(body) + 5, max(0, len(body) - 5), 10**30])
    lines = [f"{method} {path} {version}", "Host: x", f"Authorization: {credential}"]
    if randomness.random() < 0.2:
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        lines.append(f"Content-Length: {length}")
    strange = [
        "X-A: \x00",
        "Content-Length: 3",
        "X: " + "y" * 5000,
        " folded",
        ":",
        "Expect: 100-continue",
        "Upgrade: h2c",
    ]
    for _ in range(randomness.choice([0, 0, 0, 1, 2])):
        lines.insert(randomness.randint(1, len(lines)), randomness.choice(strange))
    data = bytearray("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
    for _ in range(randomness.choice([0, 0, 0, 0, 1, 3])):
        place = randomness.randrange(min(len(data), 200))
        data[place : place + randomness.randint(0, 3)] = bytes([randomness.randrange(256)] * randomness.randint(0, 2))
    cuts = sorted(randomness.randrange(len(data) + 1) for _ in range(randomness.randint(0, 3)))
    edges = [0, *cuts, len(data)]
    return [bytes(data[start:end]) for start, end in itertools.pairwise(edges)]

"""Random request bodies: good ones, wrong ones, and bytes that are no JSON any more."""

from __future__ import annotations

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

"""The gateway's configuration for the benchmark: every feature that a request can pass through is on."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from serving.gateway.config import ConfigProblem, load_config

MODEL = "bench"
KEY = "sk-bench-0123456789abcdef"
_CLIENT = "team"
# No limit may be reached: a refusal would be faster than an answer.
_PLENTY = 10**9


def configuration(folder: Path, engine_ports: list[int]) -> tuple[Path, list[str], dict[str, str]]:
    """Writes the file; also which features are on, and for those that are not the gateway's reason."""
    document: dict[str, Any] = {
        "version": 1,
        "models": {
            MODEL: {
                "upstreams": [{"url": f"http://127.0.0.1:{port}", "key_file": None} for port in engine_ports],
                "context_tokens": 131_072,
                "max_output_tokens": 4096,
                "endpoints": ["chat_completions"],
                "longest_generation_seconds": 3600,
            }
        },
        "clients": {
            _CLIENT: {
                "key_sha256": [hashlib.sha256(KEY.encode()).hexdigest()],
                "models": [MODEL],
                "requests_per_minute": _PLENTY,
            }
        },
        "limits": {
            "body_bytes": 4 * 1024 * 1024,
            "messages": 2048,
            "choices": 8,
            "connect_seconds": 5,
            "keep_alive_seconds": 75,
            "stream_idle_seconds": 600,
        },
    }
    file = folder / "gateway.json"
    on = ["API key", "model list", "requests per minute", "bounds", "metrics", "JSON log"]
    off: dict[str, str] = {}
    for name, place, fields in _features(folder):
        tried = copy.deepcopy(document)
        target = tried
        for part in place:
            target = target[part]
        target |= fields
        file.write_text(json.dumps(tried))
        try:
            load_config(file)
        except ConfigProblem as problem:
            off[name] = problem.problems[0].removeprefix(f"{file}: ")
            continue
        document = tried
        on.append(name)
    file.write_text(json.dumps(document))
    return file, on, off


def _features(folder: Path) -> list[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """Name, where in the document, and which fields switch it on."""
    client = ("clients", _CLIENT)
    model = ("models", MODEL)
    audit = folder / "audit"
    audit.mkdir()
    return [
        ("price", model, {"price": {"input_dollars_per_million_tokens": 1, "output_dollars_per_million_tokens": 2}}),
        ("tokens per minute and day", client, {"tokens_per_minute": _PLENTY, "tokens_per_day": 10**12}),
        ("concurrent requests", client, {"concurrent_requests": 1_000_000}),
        ("dollars per month", client, {"dollars_per_month": 1_000_000}),
        ("prefix routing", model, {"routing": {"balance": "prefix"}}),
        ("privacy scan, tokenise", client, {"privacy": {"mode": "tokenise"}}),
        ("audit", (), {"audit": {"folder": str(audit)}}),
    ]


def request_body(characters: int, *, stream: bool = False, personal: bool = False) -> bytes:
    """A chat request whose prompt has `characters` of prose; `personal`: with an address and a number in it, which the
    privacy scan then replaces and puts back."""
    sentence = (
        "The quarterly report is due on Friday and the numbers for the northern region still need checking. "
        "Please summarise the main risks, then list three questions that we should put to the supplier. "
    )
    start = "Write to maria.lopez@example.com or call +49 30 901820 if something is unclear. " if personal else ""
    text = (start + sentence * (characters // len(sentence) + 1))[:characters]
    messages = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]
    body = {"model": MODEL, "messages": messages, "max_tokens": 64, "temperature": 0.2, "stream": stream}
    return json.dumps(body, separators=(",", ":")).encode()

"""Gateway: fuzz of the configuration file. Whatever is in it, it is loaded or refused in words; never anything else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway.config import ConfigProblem, GatewayConfig, load_config
from serving.gateway.policy import Policy
from tests.serving.gateway_process import configuration, sha
from tests.serving.mutating import examples, mutated_bytes, mutated_values
from tests.serving.tokens import SigningKey, issuer, key_set

SECRETS = ("engine-canary", "redis-canary", "privacy-canary")


def everything(folder: Path) -> dict[str, Any]:
    """A configuration in which every feature is used once."""
    document = configuration("http://127.0.0.1:9", folder)
    document["models"] = {name: document["models"][name] for name in ("ok", "embed", "long")}
    document["models"]["ok"] |= {
        "digest": "sha256:1",
        "fallbacks": ["long"],
        "price": {"input_dollars_per_million_tokens": 1, "output_dollars_per_million_tokens": 2.5},
        "shadow": {"model": "long", "percent": 1},
    }
    document["models"]["ok"]["upstreams"] += [
        {"url": "https://cloud.example.com", "key_file": None, "boundary": "cloud", "kind": "openai", "model": "m"},
        {"url": "http://engines:80", "key_file": None, "discover": {"kind": "dns", "every_seconds": 5}},
    ]
    for name, text in (
        ("url", "redis://:redis-canary@127.0.0.1:9/0"),
        ("key", "privacy-canary" * 3),
        ("names", "Ada\nBob"),
    ):
        (folder / name).write_text(text)
    (folder / "jwks").write_bytes(key_set(SigningKey("k", "ES256")))
    document["data_classes"] = {"internal": ["local", "cloud"]}
    document["identity"] = {
        "issuers": {"corp": issuer("https://x/", {"jwks_file": str(folder / "jwks"), "algorithms": ["ES256"]})}
    }
    document["clients"]["dev"] |= {
        "models": ["ok", "embed"],
        "keys": [{"sha256": sha("another"), "expires": "2031-01-01T00:00:00Z"}],
        "certificates": ["cn:dev"],
        "data_class": "internal",
        "priority": 3,
        "tokens_per_day": 1000,
        "per_model": {"ok": {"concurrent_requests": 2}},
        "privacy": {"mode": "tokenise", "kinds": {"email": "mask", "person": "block"}, "scan_output": "mask"},
        "cache": True,
    }
    document["limits_store"] = {"kind": "redis", "url_file": str(folder / "url"), "when_away": "local", "gateways": 2}
    document["cache"] = {"kind": "redis", "url_file": str(folder / "url"), "key_file": str(folder / "key")}
    document["privacy"] = {
        "key_file": str(folder / "key"),
        "names": {"person": {"file": str(folder / "names")}},
        "patterns": {"ticket": "TICKET-[0-9]+"},
    }
    document["audit"] = {"folder": str(folder / "audit"), "retention_days": 1}
    document["telemetry"] = {"traces": {"url": "http://127.0.0.1:9/v1/traces", "ratio": 0.5}, "clients": 5}
    return document


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


def load(folder: Path, content: bytes) -> GatewayConfig | None:
    """Fails on any exception but a helpful refusal. What is accepted can be turned into a policy."""
    file = folder / "gateway.json"
    file.write_bytes(content)
    try:
        config = load_config(file)
    except ConfigProblem as refused:
        problems = refused.problems
    else:
        problems = []
    for line in problems:
        assert ": found " in line, line
        assert "; allowed is " in line
        assert line.isprintable()
        assert not any(secret in line for secret in SECRETS)
    if problems:
        return None

    async def build() -> None:
        Policy(config, Policy(config))

    asyncio.run(build())
    return config


def test_the_original_is_accepted(folder: Path) -> None:
    assert load(folder, json.dumps(everything(folder)).encode()) is not None


HOSTILE: list[Any] = [
    "http://[",
    "redis://x:99999",
    "",
    "/",
    "\n\x1b[1m",
    "/\0",
    "\ud800",
    "/" + "a" * 5000,
    10**30,
    [[]],
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_every_value_in_turn_is_replaced_by_something_hostile(folder: Path, value: Any) -> None:
    replaced = 0
    for place, key in leaves(everything(folder)):
        document = everything(folder)
        container: Any = document
        for step in place:
            container = container[step]
        container[key] = value
        load(folder, json.dumps(document).encode())
        replaced += 1
    assert replaced > 80


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """Where every single value is: the way to what holds it, and its key there."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[tuple[tuple[Any, ...], Any]] = []
    for key, inner in entries:
        found += leaves(inner, (*place, key)) if isinstance(inner, dict | list) else [(place, key)]
    return found


@examples(150)
@given(data=st.data())
def test_any_change_of_values_is_accepted_or_refused_in_words(folder: Path, data: st.DataObject) -> None:
    document = data.draw(mutated_values(everything(folder)))
    load(folder, json.dumps(document).encode())


@examples(200)
@given(data=st.data())
def test_any_change_of_bytes_is_accepted_or_refused_in_words(folder: Path, data: st.DataObject) -> None:
    load(folder, data.draw(mutated_bytes(st.just(json.dumps(everything(folder)).encode()))))


DEEP = b"[" * 100_000
SHAPES = [
    b'{"version": 1, "models": {"m": %b}}',
    b'{"version": 1, "models": {}, "clients": {}, "limits": %b}',
    b'{"x": %b}',
]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", DEEP, b"\xff\xfe{\0}\0", b'{"version": 1e400}', b"{}{}", *(shape % DEEP for shape in SHAPES)],
    ids=range(10),
)
def test_files_that_are_no_configuration(folder: Path, content: bytes) -> None:
    assert load(folder, content) is None

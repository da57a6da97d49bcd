"""Gateway: parts of the cache by themselves. Proper ends, the bounds of memory, and the configuration's problems."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.cache.config import CacheSetup, MemoryCacheConfig
from serving.gateway.cache.kept import Kept, ends_well
from serving.gateway.cache.memory_store import OVERHEAD_BYTES, MemoryStore
from serving.gateway.cache.response_cache import cache_for
from serving.gateway.cache.sealing import Seal
from serving.gateway.config import ConfigProblem, load_config
from tests.serving.gateway_process import configuration

# Proper ends.


def events(*payloads: Any, end: str = "\n\n", done: bool = True) -> bytes:
    texts = [payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads]
    return "".join(f"data: {text}{end}" for text in [*texts, *(["[DONE]"] if done else [])]).encode()


def delta(index: int = 0, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": finish}]}


GOOD = [
    events(delta(), delta(finish="stop")),
    events(delta(finish="length"), {"choices": [], "usage": {"completion_tokens": 1}}),
    events(delta(0), delta(1), delta(1, "stop"), delta(0, "tool_calls"), end="\r\n\r\n"),
    b": comment\n\n" + events(delta(), delta(finish="stop")) + b": farewell\n\n",
]
BAD = [
    events(delta(), delta(finish="stop"), done=False),
    events(delta()),
    events(delta(0), delta(1), delta(0, "stop")),
    events(delta(finish="abort")),
    events(delta(finish="content_filter")),
    events(),
    events({"choices": []}),
    events(delta(finish="stop"), {"error": {"message": "late"}}),
    events(delta(finish="stop")) + events(delta(finish="stop")),
    events(delta(finish="stop"), "{"),
    b"",
]


def stream(body: bytes) -> Kept:
    return Kept(b"text/event-stream; charset=utf-8", "local", body)


def whole(body: Any) -> Kept:
    return Kept(b"application/json", "local", body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("body", GOOD)
def test_a_stream_with_a_proper_end(body: bytes) -> None:
    assert ends_well(stream(body), "chat_completions")


@pytest.mark.parametrize("body", BAD)
def test_a_stream_without_one(body: bytes) -> None:
    assert not ends_well(stream(body), "chat_completions")


@pytest.mark.parametrize("body", GOOD)
def test_no_beginning_of_a_stream_is_whole(body: bytes) -> None:
    for length in range(body.index(b"[DONE]") + 5):
        assert not ends_well(stream(body[:length]), "chat_completions")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.sampled_from(GOOD + BAD), st.integers(0, 300), st.binary(max_size=4))
def test_whatever_a_body_is_it_is_looked_at_without_a_defect(body: bytes, place: int, put: bytes) -> None:
    mutated = body[:place] + put + body[place + 1 :]
    for kept in (stream(mutated), whole(mutated)):
        for endpoint in ("chat_completions", "embeddings"):
            assert ends_well(kept, endpoint) in (True, False)


@pytest.mark.parametrize(
    ("endpoint", "body", "good"),
    [
        ("chat_completions", {"choices": [{"index": 0, "finish_reason": "stop"}]}, True),
        ("chat_completions", {"choices": [{"finish_reason": "stop"}, {"finish_reason": None}]}, False),
        ("completions", {"choices": [{"finish_reason": "length", "text": "x"}]}, True),
        ("completions", {"choices": []}, False),
        ("completions", {"choices": [{"finish_reason": "stop"}], "error": {"message": "x"}}, False),
        ("embeddings", {"data": [{"embedding": [0.5]}]}, True),
        ("embeddings", {"data": []}, False),
        ("embeddings", {"choices": [{"finish_reason": "stop"}]}, False),
        ("chat_completions", [], False),
        ("chat_completions", b"[" * 5000, False),
        ("chat_completions", b"", False),
    ],
)
def test_a_whole_answer_with_and_without_a_proper_end(endpoint: str, body: Any, good: bool) -> None:
    assert ends_well(whole(body), endpoint) is good


# Memory.


def in_loop(work: Callable[[MemoryStore], Any], **fields: Any) -> Any:
    async def run() -> Any:
        return await work(MemoryStore(MemoryCacheConfig(**fields)))

    return asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20_000), st.booleans()), max_size=80))
def test_memory_is_what_a_simple_model_of_it_says(steps: list[tuple[int, int, bool]]) -> None:
    """The least recently used goes first, and the bytes are counted right."""
    most = 65_536

    async def run(store: MemoryStore) -> None:
        model: dict[bytes, int] = {}  # in the order of use
        for number, size, keep in steps:
            name = b"%d" % number
            if keep:
                store.keep(name, Kept(b"", "local", b"x" * size))
                model.pop(name, None)
                while model and sum(model.values()) + size + OVERHEAD_BYTES > most:
                    del model[next(iter(model))]
                model[name] = size + OVERHEAD_BYTES
            else:
                assert (await store.find(name) is not None) == (name in model)
                if name in model:
                    model[name] = model.pop(name)
            assert store.bytes == sum(model.values()) <= most
            assert store.entries == len(model)
        store.close()
        assert (store.bytes, store.entries) == (0, 0)
        store.keep(b"late", Kept(b"", "local", b"x"))
        assert store.entries == 0

    in_loop(run, largest_bytes=most)


def test_memory_forgets_in_the_order_of_age_and_not_of_use() -> None:
    async def run(store: MemoryStore) -> None:
        kept = Kept(b"", "local", b"x")
        store.keep(b"first", kept)
        await asyncio.sleep(0.1)
        store.keep(b"second", kept)
        await asyncio.sleep(0.15)
        store.keep(b"first", kept)  # kept anew: from now on
        assert await store.find(b"second")
        await asyncio.sleep(0.15)
        assert await store.find(b"second") is None
        assert await store.find(b"first")
        await asyncio.sleep(0.25)
        assert (store.entries, store.bytes) == (0, 0)

    in_loop(run, age_seconds=0.3)


def test_what_is_too_old_is_not_given_though_it_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer that removes it may be late."""

    async def run(store: MemoryStore) -> None:
        store.keep(b"key", whole({}))
        later = time.monotonic() + 3600.0
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert store.entries == 1
        assert await store.find(b"key") is None
        assert (store.entries, store.bytes) == (0, 0)

    in_loop(run)


def test_a_cache_that_a_reload_replaces_forgets_everything() -> None:
    """At once: what still runs on it, and its timer, would otherwise hold answers for as long as they may be old."""

    async def run() -> None:
        setup = CacheSetup(config=MemoryCacheConfig(), url=None, secret=None, privacy="")
        cache = cache_for(setup, None)
        assert cache is not None
        cache.store.keep(b"key", whole({}))
        assert cache_for(CacheSetup(config=MemoryCacheConfig(), url=None, secret=None, privacy="x"), cache) is cache
        assert await cache.store.find(b"key") == whole({})
        other = CacheSetup(config=MemoryCacheConfig(age_seconds=5), url=None, secret=None, privacy="")
        for change in (other, None):
            assert cache_for(change, cache) is not cache
            assert await cache.store.find(b"key") is None

    asyncio.run(run())


# Sealing.


def test_a_sealed_answer_opens_only_as_what_it_was() -> None:
    seal, kept = Seal(b"k" * 32), whole({"a": "text"})
    sealed = seal.close("name", kept)
    assert seal.open("name", sealed) == kept
    assert b"text" not in sealed
    assert seal.close("name", kept) != sealed
    assert seal.open("other", sealed) is None
    assert Seal(b"o" * 32).open("name", sealed) is None
    for length in range(len(sealed)):
        assert seal.open("name", sealed[:length]) is None


# Configuration.


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ({"kind": "disk"}, "a value that is not one of those allowed, not shown, at `$.cache.kind`"),
        ({"kind": "memory", "largest_bytes": 65_536}, "cache.largest_answer_bytes: found 1048576; allowed is at most"),
        ({"kind": "memory", "age_seconds": 0}, "$.cache.age_seconds"),
        ({"kind": "memory", "url_file": "/x"}, "an unknown field, not shown, at `$.cache`"),
        ({"kind": "redis"}, "missing required field `url_file`"),
        ({"kind": "redis", "url_file": "/no/u", "key_file": "/no/k"}, "cache.url_file: found FileNotFoundError"),
        ({"kind": "redis", "url_file": "/no/u", "key_file": "/no/k"}, "cache.key_file: found FileNotFoundError"),
        ({"kind": "redis", "url_file": "URL", "key_file": "SHORT"}, "cache.key_file: found 5 bytes"),
        ({"kind": "redis", "url_file": "SHORT", "key_file": "URL"}, "cache.url_file: found something else"),
        ({"kind": "redis", "url_file": "URL", "key_file": "URL", "ca_file": "/no/ca"}, "cache.ca_file: found no file"),
    ],
)
def test_every_problem_of_the_cache_is_clear(tmp_path: Path, cache: dict[str, Any], expected: str) -> None:
    (tmp_path / "SHORT").write_text("short\n")
    (tmp_path / "URL").write_text("redis://127.0.0.1:6379/0?padding=0123456789\n")
    document = configuration("http://127.0.0.1:9", tmp_path)
    named = {name: str(tmp_path / str(value)) if value in ("URL", "SHORT") else value for name, value in cache.items()}
    (tmp_path / "gateway.json").write_text(json.dumps({**document, "cache": named}))
    with pytest.raises(ConfigProblem) as refused:
        load_config(tmp_path / "gateway.json")
    assert all("allowed is " in line for line in refused.value.problems)
    assert expected in "\n".join(refused.value.problems)

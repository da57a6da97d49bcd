"""Gateway: keys of the cache. Two requests that differ in anything never share an entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.cache.assignment import client_cache_of
from serving.gateway.cache.response_cache import ClientCache, ResponseCache
from serving.gateway.config import GatewayConfig, load_config
from tests.serving.gateway_process import configuration, sha


class Request(NamedTuple):
    """Everything that may differ between two requests."""

    client: str
    subject: str
    data_class: str | None
    digest: str | None
    scan_output: str | None
    model: str
    endpoint: str
    boundaries: frozenset[str] | None
    fields: tuple[tuple[str, Any], ...]


_text = st.text(max_size=4)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_text, inner, max_size=2),
    max_leaves=4,
)
_values: dict[str, st.SearchStrategy[Any]] = {
    "client": st.sampled_from(["a", "ab", "b"]),
    "subject": st.sampled_from(["", "a", "4:a", "chat_completions", "\ud800", "a\0b"]) | _text,
    "data_class": st.sampled_from([None, "restricted", "internal"]),
    "digest": st.sampled_from([None, "sha256:1", "sha256:2"]),
    "scan_output": st.sampled_from([None, "mask", "block"]),
    "model": st.sampled_from(["ok", "embed"]),
    "endpoint": st.sampled_from(["chat_completions", "completions", "embeddings"]),
    "boundaries": st.sampled_from([None, frozenset[str](), frozenset({"local"}), frozenset({"local", "cloud"})]),
    "fields": st.dictionaries(
        st.sampled_from(["messages", "temperature", "user", "stream", "x"]), _json, max_size=4
    ).map(lambda fields: tuple(fields.items())),
}
_requests = st.builds(Request, **_values)
_known: dict[tuple[Any, ...], ClientCache] = {}
_cache: list[ResponseCache] = []


def loaded(folder: Path, request: Request) -> GatewayConfig:
    document = configuration("http://127.0.0.1:9", folder)
    document["clients"] = {
        request.client: {"key_sha256": [sha("x")], "models": ["ok", "embed"], "requests_per_minute": 5, "cache": True}
    }
    client = document["clients"][request.client]
    if request.data_class:
        document["data_classes"] = {"internal": ["local"], "restricted": ["local"]}
        client["data_class"] = request.data_class
    if request.scan_output:
        client["privacy"] = {"scan_output": request.scan_output}
    for model in document["models"].values():
        model["digest"] = request.digest
    file = folder / "gateway.json"
    file.write_text(json.dumps(document))
    return load_config(file)


def key(folder: Path, request: Request) -> bytes:
    """As the step makes it."""
    ruling = (request.client, request.data_class, request.digest, request.scan_output)
    if ruling not in _known:
        config = loaded(folder, request)
        if not _cache:
            assert config.cache is not None
            _cache.append(ResponseCache(config.cache))
        known = client_cache_of(request.client, config, _cache[0])
        assert known is not None
        _known[ruling] = known
    body = json.dumps(dict(request.fields)).encode()
    return _known[ruling].key(request.model, request.subject, request.endpoint, request.boundaries, body)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@settings(max_examples=500, deadline=None)
@given(one=_requests, data=st.data())
def test_requests_that_differ_in_anything_never_share(folder: Path, one: Request, data: st.DataObject) -> None:
    changed = data.draw(st.sets(st.sampled_from(list(_values)), max_size=2))
    other = one._replace(**{name: data.draw(_values[name]) for name in changed})
    same = one[:-1] == other[:-1] and json.dumps(dict(one.fields)) == json.dumps(dict(other.fields))
    assert (key(folder, one) == key(folder, other)) is same


@pytest.mark.parametrize("field", list(_values))
def test_each_of_them_separates_by_itself(folder: Path, field: str) -> None:
    one = Request("a", "s", None, None, None, "ok", "completions", None, (("x", 1),))
    another: dict[str, Any] = {
        "client": "b",
        "subject": "t",
        "data_class": "restricted",
        "digest": "sha256:1",
        "scan_output": "mask",
        "model": "embed",
        "endpoint": "embeddings",
        "boundaries": frozenset({"local"}),
        "fields": (("x", 1.0),),
    }
    assert key(folder, one) == key(folder, Request(*one))
    assert key(folder, one) != key(folder, one._replace(**{field: another[field]}))


def test_numbers_that_a_parser_would_round_are_different(folder: Path) -> None:
    one, other = (
        Request("a", "", None, None, None, "ok", "completions", None, (("x", number),))
        for number in (10**25, 10**25 + 1)
    )
    assert key(folder, one) != key(folder, other)


def test_where_a_key_is_kept_separates_nothing(folder: Path) -> None:
    """Each generation has its own folder for secrets, and each gateway of several."""

    def scope(place: str, mode: str, url: str) -> bytes:
        (folder / place).write_text("k" * 32)
        hook = {"kind": "moderation", "url": url, "key_file": str(folder / place)}
        document = configuration("http://127.0.0.1:9", folder)
        document["privacy"] = {"key_file": str(folder / place)}
        document["guardrails"] = {"strict": {"before": {"guard": hook}}}
        document["clients"] = {
            "a": {
                "key_sha256": [sha("x")],
                "models": ["ok"],
                "requests_per_minute": 5,
                "cache": True,
                "guardrails": "strict",
                "privacy": {"mode": mode},
            }
        }
        (folder / "gateway.json").write_text(json.dumps(document))
        config = load_config(folder / "gateway.json")
        assert config.cache is not None
        _cache[:] = _cache or [ResponseCache(config.cache)]
        part = client_cache_of("a", config, _cache[0])
        assert part is not None
        return part.key("ok", "", "completions", None, b"")

    one = scope("one.key", "mask", "http://127.0.0.1:9/judge")
    assert scope("two.key", "mask", "http://127.0.0.1:9/judge") == one
    assert scope("one.key", "block", "http://127.0.0.1:9/judge") != one
    assert scope("one.key", "mask", "http://127.0.0.1:9/another") != one

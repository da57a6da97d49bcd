"""Gateway: answers from the cache. What is given again and what never is, to the byte, and what it costs: nothing."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import cached
from tests.serving.audit_files import wait_for_rows
from tests.serving.cached import Asked, ask, question, result
from tests.serving.gateway_process import GatewayProcess, chat, raw_request, read_until, start_gateway, wait_until
from tests.serving.limited import key_of, priced
from tests.serving.test_gateway_traces import Collector, attributes, traced
from tests.serving.test_gateway_waiting import engine_on, scaled_to_zero
from tests.serving.upstream import FakeEngine

MODELS = ["ok", "embed", "long", "cut", "midframe", "e503", "malformed", "cleancut", "halfbody", "big", "crlf"]
CLIENTS: dict[str, dict[str, Any]] = {
    "a": {"models": MODELS},
    "b": {"models": ["ok"]},
    "few": {"tokens_per_minute": 600},
    "spent": {"tokens_per_minute": 600},
    "paced": {"requests_per_minute": 60},
    "plain": {"cache": False},
}


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def gateway(engine: FakeEngine, folder: Path) -> Iterator[GatewayProcess]:
    document = priced(cached.cached(engine.url, folder, CLIENTS), 1000)
    document["audit"] = {"folder": str(folder / "audit"), "reserve_bytes": 65536}
    for model in document["models"].values():
        model["context_tokens"] = 100_000
    with start_gateway(folder, document) as running:
        yield running


def test_the_same_request_is_answered_once(gateway: GatewayProcess, engine: FakeEngine) -> None:
    asked = Asked(engine)
    first, second = ask(gateway, "a", question("one")), ask(gateway, "a", question("one"))
    assert (first.status, second.status) == (200, 200)
    assert (result(first), result(second)) == ("miss", "hit")
    assert first.body == second.body
    assert asked.calls == 1
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-slipway-boundary"] == first.headers["x-slipway-boundary"] == "local"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]


@pytest.mark.parametrize("change", [{"max_tokens": 6}, {"user": "u"}, {"metadata": {"a": "b"}}, {"stream": True}])
def test_another_request_is_not_the_same(gateway: GatewayProcess, engine: FakeEngine, change: dict[str, Any]) -> None:
    ask(gateway, "a", question("another"))
    asked = Asked(engine)
    assert result(ask(gateway, "a", question("another", **change))) == "miss"
    assert result(ask(gateway, "a", question("another"))) == "hit"
    assert asked.calls == 1


def test_only_temperature_0_is_the_same_again(gateway: GatewayProcess, engine: FakeEngine) -> None:
    asked = Asked(engine)
    for temperature in (0.1, 1, None):
        for _ in range(2):
            answer = ask(gateway, "a", question("warm", temperature=temperature))
            assert (answer.status, result(answer)) == (200, None)
    assert asked.calls == 6
    assert [result(ask(gateway, "a", question("cold", temperature=0.0))) for _ in range(2)] == ["miss", "hit"]


def test_embeddings_are_always_the_same_again(gateway: GatewayProcess, engine: FakeEngine) -> None:
    asked = Asked(engine)
    body = {"model": "embed", "input": ["one", "two"]}
    answers = [ask(gateway, "a", body, path="/v1/embeddings") for _ in range(2)]
    assert [result(answer) for answer in answers] == ["miss", "hit"]
    assert answers[0].body == answers[1].body
    assert asked.calls == 1


def test_a_client_that_did_not_opt_in_has_no_cache(gateway: GatewayProcess, engine: FakeEngine) -> None:
    asked = Asked(engine)
    for wish in (None, "use", "banana"):
        answer = ask(gateway, "plain", question("plain"), wish)
        assert (answer.status, result(answer)) == (200, None)
    assert asked.calls == 3


def test_clients_do_not_share(gateway: GatewayProcess) -> None:
    assert [result(ask(gateway, name, question("private"))) for name in ("a", "b", "a", "b")] == [
        *("miss", "miss", "hit", "hit")
    ]


def test_the_header_asks_for_it_or_against_it(gateway: GatewayProcess, engine: FakeEngine) -> None:
    warm = question("by header", temperature=1)
    asked = Asked(engine)
    assert [result(ask(gateway, "a", warm, wish)) for wish in ("use", "use", None)] == ["miss", "hit", None]
    assert asked.calls == 2
    cold = question("by header")
    assert [result(ask(gateway, "a", cold, wish)) for wish in ("skip", "skip", None)] == [None, None, "miss"]
    asked = Asked(engine)
    assert [result(ask(gateway, "a", cold, wish)) for wish in ("Refresh", None, "skip")] == ["miss", "hit", None]
    assert asked.calls == 2


def test_a_header_that_means_nothing_is_refused(gateway: GatewayProcess, engine: FakeEngine) -> None:
    asked = Asked(engine)
    answer = ask(gateway, "a", question("x"), "banana")
    assert answer.status == 400
    assert answer.error["param"] == "x-slipway-cache"
    assert "allowed is use, refresh or skip" in answer.error["message"]
    with gateway.connect() as raw:
        twice = "X-Slipway-Cache: use\r\nX-Slipway-Cache: skip\r\n"
        raw.sendall(raw_request(question("x"), key=key_of("a"), extra=twice))
        assert read_until(raw, b"}}").startswith(b"HTTP/1.1 400")
    assert asked.calls == 0


@pytest.mark.parametrize("extra", [{}, {"stream_options": {"include_usage": True}}, {"n": 1, "seed": 7}])
def test_a_stream_is_replayed_byte_for_byte(gateway: GatewayProcess, engine: FakeEngine, extra: dict[str, Any]) -> None:
    asked = Asked(engine)
    body = question("stream", stream=True, **extra)
    first, second = ask(gateway, "a", body), ask(gateway, "a", body)
    assert (result(first), result(second)) == ("miss", "hit")
    assert first.body == second.body
    assert first.body.endswith(b"data: [DONE]\n\n")
    assert first.body.count(b'"usage"') == bool(extra.get("stream_options"))
    for header in ("content-type", "cache-control", "x-accel-buffering", "transfer-encoding"):
        assert second.headers[header] == first.headers[header]
    assert asked.calls == 1


@pytest.mark.parametrize("model", ["cut", "midframe", "malformed", "cleancut"])
def test_a_stream_that_broke_is_not_kept(gateway: GatewayProcess, engine: FakeEngine, model: str) -> None:
    asked = Asked(engine)
    for _ in range(2):
        answer = ask(gateway, "a", question("broken", model, stream=True))
        assert result(answer) == "miss"
        assert b"event: error" in answer.body
    assert asked.calls == 2


@pytest.mark.parametrize(("model", "status"), [("e503", 503), ("halfbody", 502)])
def test_an_error_is_not_kept(gateway: GatewayProcess, engine: FakeEngine, model: str, status: int) -> None:
    asked = Asked(engine)
    for _ in range(2):
        answer = ask(gateway, "a", question("broken", model))
        assert (answer.status, result(answer)) == (status, None)
    assert asked.calls >= 2


def test_an_answer_without_an_end_or_too_large_is_not_kept(gateway: GatewayProcess, engine: FakeEngine) -> None:
    """`crlf` is a stream in which no choice ever ends; `big` has no finish_reason and is larger than what is kept."""
    asked = Asked(engine)
    for model, stream in (("crlf", True), ("big", False)):
        for _ in range(2):
            answer = ask(gateway, "a", question("endless", model, stream=stream))
            assert (answer.status, result(answer)) == (200, "miss")
    assert asked.calls == 4


def test_a_stream_whose_client_left_is_not_kept(gateway: GatewayProcess, engine: FakeEngine) -> None:
    body = question("left", "long", stream=True)
    before = len(engine.of("long"))
    with gateway.connect() as raw:
        raw.sendall(raw_request(body, key=key_of("a")))
        read_until(raw, b"w1 ")
    wait_until("the engine is left too", lambda: engine.of("long")[before].closed is not None)
    assert result(ask(gateway, "a", body)) == "miss"
    assert result(ask(gateway, "a", body)) == "hit"


def test_a_hit_costs_no_tokens_but_is_a_request(gateway: GatewayProcess) -> None:
    answers = [ask(gateway, "few", question("free")) for _ in range(100)]  # 10 tokens each, 600 a minute
    assert {answer.status for answer in answers} == {200}
    assert [result(answer) for answer in answers].count("hit") == 99
    statuses = [ask(gateway, "paced", question("paced")).status for _ in range(30)]
    assert 429 in statuses


def test_a_hit_waits_for_no_tokens(gateway: GatewayProcess) -> None:
    """Even a client that has used up its tokens gets what is kept."""
    ask(gateway, "spent", question("kept"))
    refused = [ask(gateway, "spent", question(f"other {turn}")).status for turn in range(100)]
    assert refused[-1] == 429
    assert (answer := ask(gateway, "spent", question("kept"))).status == 200
    assert result(answer) == "hit"


def test_audit_and_metrics_tell_hits_from_misses(gateway: GatewayProcess, folder: Path) -> None:
    labels = 'client="b",endpoint="chat_completions",model="ok"'
    names = {
        kind: f'slipway_gateway_cache_total{{client="b",endpoint="chat_completions",model="ok",result="{kind}"}}'
        for kind in ("hit", "miss")
    }
    cost = f"slipway_gateway_cost_dollars_total{{{labels}}}"
    tokens = 'slipway_gateway_output_tokens_total{client="b",model="ok"}'
    ask(gateway, "b", question("before it is counted"))
    before = {kind: gateway.metric(name) for kind, name in names.items()}
    rows_before = len(wait_for_rows(folder / "audit", 1))
    ask(gateway, "b", question("counted"))
    spent, written = gateway.metric(cost), gateway.metric(tokens)
    assert spent > 0
    for _ in range(3):
        assert result(ask(gateway, "b", question("counted"))) == "hit"
    after = {kind: gateway.metric(name) for kind, name in names.items()}
    assert {kind: after[kind] - before[kind] for kind in names} == {"hit": 3, "miss": 1}
    assert (gateway.metric(cost), gateway.metric(tokens)) == (spent, written)
    assert gateway.metric("slipway_gateway_cache_entries") > 0
    assert gateway.metric("slipway_gateway_cache_bytes") > 0
    rows = [row for row in wait_for_rows(folder / "audit", rows_before + 4) if row["client"] == "b"][-4:]
    assert [row["decisions"] for row in rows] == [[], ["cache:hit"], ["cache:hit"], ["cache:hit"]]
    assert [row["cost"] for row in rows] == [0.01, 0, 0, 0]
    assert [row["boundary"] for row in rows] == ["local"] * 4
    assert rows[1]["finish"] == "complete"
    assert (rows[1]["prompt_tokens"], rows[1]["output_tokens"]) == (0, 0)


def test_many_hits_on_one_connection(gateway: GatewayProcess, engine: FakeEngine) -> None:
    """Kept connections stay whole behind a hit, streamed or not."""
    asked = Asked(engine)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    headers = {"Authorization": f"Bearer {key_of('a')}"}
    bodies: list[bytes] = []
    began = time.monotonic()
    for turn in range(40):
        text = json.dumps(question("kept alive", stream=turn % 2 == 1))
        connection.request("POST", cached.CHAT, text, headers)
        response = connection.getresponse()
        bodies.append(response.read())
    connection.close()
    assert time.monotonic() - began < 10
    assert asked.calls == 2
    assert len(set(bodies)) == 2


def test_a_stream_with_signs_of_life_before_its_answer_is_not_kept(tmp_path: Path) -> None:
    """Who gets it again waits for nothing."""
    port, config = scaled_to_zero(tmp_path, seconds=20, keep_alive_seconds=0.2)
    config["clients"]["dev"]["cache"] = True
    body = chat("m", stream=True, temperature=0)
    with start_gateway(tmp_path, config) as gateway, gateway.connect() as raw:
        raw.sendall(raw_request(body))
        seen = read_until(raw, b": waiting\n\n")
        with engine_on(port) as engine:
            seen += read_until(raw, b"[DONE]")
            assert b"x-slipway-cache: miss" in seen
            answers = [gateway.request(body=body) for _ in range(2)]
            assert [result(answer) for answer in answers] == ["miss", "hit"]
            assert b"waiting" not in answers[1].body
            assert len(engine.calls) == 2


def test_a_trace_says_it_and_shows_no_call(engine: FakeEngine, tmp_path: Path) -> None:
    with Collector() as collector:
        document = traced(engine, tmp_path, collector.url)
        document["clients"]["dev"]["cache"] = True
        with start_gateway(tmp_path, document) as gateway:
            for _ in range(2):
                assert gateway.request(body=chat("ok", temperature=0)).status == 200
            spans = collector.wait_for(3)
    assert sorted(attributes(span).get("slipway.cache", "call") for span in spans) == ["call", "hit", "miss"]

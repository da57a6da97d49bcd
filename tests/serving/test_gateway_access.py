"""Gateway: who may ask what. Keys, models, request limits, health, readiness, metrics and the log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.gateway_process import (
    ENGINE_KEY,
    KEY,
    LIMITED_KEY,
    NARROW_KEY,
    OLD_KEY,
    PROMPT,
    GatewayProcess,
    chat,
    configuration,
    free_port,
    read_until,
    sha,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with start_gateway(folder, configuration(engine.url, folder)) as running:
        yield running


def test_a_good_key_gets_an_answer_and_never_goes_upstream(gateway: GatewayProcess, engine: FakeEngine) -> None:
    headers = {"Cookie": "a=b", "X-Secret": "s", "OpenAI-Organization": "o", "X-Request-Id": "trace-7"}
    answer = gateway.request(body=chat("ok"), headers=headers)
    assert answer.status == 200
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "hi"
    assert answer.headers["x-request-id"] == "trace-7"
    assert answer.headers["server"] is None
    call = engine.of("ok")[-1]
    assert call.headers["authorization"] == f"Bearer {ENGINE_KEY}"
    assert call.headers["x-request-id"] == "trace-7"
    assert set(call.headers) <= {"host", "content-type", "content-length", "authorization", "x-request-id"}


def test_several_keys_of_one_client_work(gateway: GatewayProcess) -> None:
    assert [gateway.request(body=chat("ok"), key=key).status for key in (KEY, OLD_KEY)] == [200, 200]


def test_every_bad_key_gets_the_same_401(gateway: GatewayProcess, engine: FakeEngine) -> None:
    before = len(engine.calls)
    wrong = "sk-wrong-canary-66"
    headers = [
        {},
        {"Authorization": f"Bearer {wrong}"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer {sha(KEY)}"},
        {"Authorization": "Bearer ' OR 1=1 --"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": "Bearer \xff\xfe"},
    ]
    answers = [gateway.request(body=chat("ok"), key=None, headers=sent) for sent in headers]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].error["code"] == "invalid_api_key"
    assert wrong.encode() not in answers[1].body
    assert hashlib.sha256(wrong.encode()).hexdigest().encode() not in answers[1].body
    assert len(engine.calls) == before
    assert gateway.request("GET", "/v1/models", key=None).status == 401


def test_two_authorization_headers_are_nobody(gateway: GatewayProcess) -> None:
    body = json.dumps(chat("ok")).encode()
    with gateway.connect() as raw:
        raw.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert read_until(raw, b"\r\n\r\n").startswith(b"HTTP/1.1 401")


def test_models_lists_only_what_the_client_may_use(gateway: GatewayProcess) -> None:
    listed = json.loads(gateway.request("GET", "/v1/models", key=NARROW_KEY).body)
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["ok"]
    assert set(listed["data"][0]) == {"id", "object", "created", "owned_by"}
    assert json.loads(gateway.request("GET", "/v1/models/ok", key=NARROW_KEY).body)["id"] == "ok"


def test_models_have_their_card_where_there_is_one(tmp_path: Path) -> None:
    card = {"source": "Qwen/Qwen3-8B", "version": "b968826d", "license": "Apache-2.0"}
    with FakeEngine() as engine:
        config = configuration(engine.url, tmp_path)
        config["models"]["ok"]["card"] = card
        with start_gateway(tmp_path, config) as gateway:
            listed = {one["id"]: one for one in json.loads(gateway.request("GET", "/v1/models").body)["data"]}
            assert listed["ok"]["card"] == card
            assert "card" not in listed["cut"]
            assert json.loads(gateway.request("GET", "/v1/models/ok").body)["card"] == card


def test_unknown_and_forbidden_models_are_told_apart_by_nothing(gateway: GatewayProcess) -> None:
    posts = [gateway.request(body=chat(model), key=NARROW_KEY) for model in ("cut", "no-such-model")]
    gets = [gateway.request("GET", f"/v1/models/{model}", key=NARROW_KEY) for model in ("cut", "no-such-model")]
    assert {answer.status for answer in posts + gets} == {404}
    assert len({answer.body for answer in posts + gets}) == 1
    assert posts[0].error["code"] == "model_not_found"


def test_embeddings_only_where_the_model_has_them(gateway: GatewayProcess) -> None:
    good = gateway.request(path="/v1/embeddings", body={"model": "embed", "input": ["a", "b"]})
    assert good.status == 200
    assert json.loads(good.body)["data"][0]["embedding"] == [0.25, 0.5]
    bad = gateway.request(path="/v1/embeddings", body={"model": "ok", "input": "a"})
    assert bad.status == 400
    assert bad.error["code"] == "endpoint_not_offered"
    assert "chat_completions, completions" in bad.error["message"]


def test_request_limit_says_when_to_come_back(gateway: GatewayProcess) -> None:
    statuses = [gateway.request("GET", "/v1/models", key=LIMITED_KEY) for _ in range(7)]
    refused = [answer for answer in statuses if answer.status == 429]
    assert [answer.status for answer in statuses[:5]] == [200] * 5  # 10 seconds' worth of 30 a minute
    assert refused
    assert refused[0].error["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused[0].headers["retry-after"]) <= 2
    assert gateway.request("GET", "/v1/models", key=KEY).status == 200  # others are not affected


def test_paths_and_methods(gateway: GatewayProcess) -> None:
    assert gateway.request("GET", "/health", key=None).status == 200
    assert gateway.request("GET", "/v1/nothing").status == 404
    wrong = gateway.request("GET", "/v1/chat/completions")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert gateway.request("POST", "/v1/models", body={}).status == 405
    public = gateway.request("GET", "/metrics")
    assert public.status == 404
    assert "operations listener" in public.error["message"]
    assert gateway.request("GET", "/v1/models", port=gateway.operations).status == 404
    for path in ("/health", "/ready", "/metrics"):
        assert gateway.request("GET", path, port=gateway.operations).headers["x-request-id"]


def test_request_ids_are_made_when_there_is_none_or_an_odd_one(gateway: GatewayProcess) -> None:
    ids = [gateway.request("GET", "/health").headers["x-request-id"] for _ in range(3)]
    odd = gateway.request("GET", "/health", headers={"X-Request-Id": "a b\tc"}).headers["x-request-id"]
    long = gateway.request("GET", "/health", headers={"X-Request-Id": "a" * 500}).headers["x-request-id"]
    assert len({*ids, odd, long}) == 5
    assert "a b" not in odd


def test_metrics_count_by_client_model_endpoint_and_code(gateway: GatewayProcess) -> None:
    labels = 'client="dev",code="200",endpoint="completions",model="ok"'
    before = gateway.metric(f"slipway_gateway_requests_total{{{labels}}}")
    tokens = gateway.metric('slipway_gateway_output_tokens_total{client="dev",model="ok"}')
    refused = gateway.metric('slipway_gateway_refusals_total{reason="model_not_found"}')
    assert gateway.request(path="/v1/completions", body={"model": "ok", "prompt": "a"}).status == 200
    stream = chat("ok", stream=True, stream_options={"include_usage": True})
    assert gateway.request(body=stream).status == 200
    gateway.request(body=chat("made-up-1"))
    assert gateway.metric(f"slipway_gateway_requests_total{{{labels}}}") == before + 1
    assert gateway.metric('slipway_gateway_output_tokens_total{client="dev",model="ok"}') == tokens + 3 + 6
    assert gateway.metric('slipway_gateway_refusals_total{reason="model_not_found"}') == refused + 1
    text = gateway.request("GET", "/metrics", port=gateway.operations).body.decode()
    assert "made-up" not in text
    assert 'slipway_gateway_time_to_first_byte_seconds_count{endpoint="chat_completions",model="ok"}' in text
    assert 'slipway_gateway_request_duration_seconds_count{endpoint="completions",model="ok"}' in text


def test_in_flight_is_counted_by_model(gateway: GatewayProcess, engine: FakeEngine) -> None:
    name = 'slipway_gateway_requests_in_flight{model="nohdr"}'
    assert gateway.metric(name) == 0
    with gateway.connect() as raw:
        body = json.dumps(chat("nohdr")).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        engine.wait_for_call("nohdr")
        assert gateway.metric(name) == 1
    wait_until("in flight again 0", lambda: gateway.metric(name) == 0)


def test_ready_follows_the_engines_and_health_does_not(engine: FakeEngine, tmp_path: Path) -> None:
    config = configuration(engine.url, tmp_path)
    dead = f"http://127.0.0.1:{free_port()}"
    config["models"]["cut"] = {**config["models"]["cut"], "upstreams": [{"url": dead, "key_file": None}]}
    with start_gateway(tmp_path, config) as gateway:
        wait_until("only the dead model", lambda: b"model ok" not in gateway.request("GET", "/ready").body)
        wait_until("which was asked", lambda: b"model cut" in gateway.request("GET", "/ready").body)
        answer = gateway.request("GET", "/ready")
        assert answer.status == 200, "one model takes no other with it"
        assert json.loads(answer.body)["status"] == "degraded"
        assert json.loads(answer.body)["reasons"] == ["model cut: no engine answered its last health check with 200"]
        assert gateway.request("GET", "/health").status == 200
        assert gateway.request(body=chat("ok")).status == 200  # admission does not depend on it
        refused = gateway.request(body=chat("cut"))
        assert (refused.status, refused.error["code"]) == (503, "engine_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
    assert all(headers["authorization"] == f"Bearer {ENGINE_KEY}" for headers in engine.health_headers)


def test_ready_turns_when_an_engine_gets_sick_and_well(tmp_path: Path) -> None:
    with FakeEngine() as engine, start_gateway(tmp_path, configuration(engine.url, tmp_path)) as gateway:
        status = lambda: gateway.request("GET", "/ready", port=gateway.operations).status  # noqa: E731
        wait_until("ready", lambda: status() == 200)
        engine.health_status = 503
        wait_until("not ready", lambda: status() == 503)
        assert gateway.request(body=chat("ok")).status == 200
        engine.health_status = 200
        wait_until("ready again", lambda: status() == 200)


def test_the_log_has_one_line_per_request_and_no_secret(gateway: GatewayProcess) -> None:
    gateway.request(body=chat("ok", stream=True), headers={"X-Request-Id": "log-1"})
    gateway.request(body=chat("ok"), key="sk-wrong-canary-67", headers={"X-Request-Id": "log-2"})
    gateway.request(body=chat("e400"), headers={"X-Request-Id": "log-3"})
    gateway.request(body=b'{"messages": "' + PROMPT.encode(), headers={"X-Request-Id": "log-4"})
    lines = {line["request_id"]: line for line in gateway.log() if line["event"] == "request"}
    good = lines["log-1"]
    assert (good["client"], good["model"], good["endpoint"]) == ("dev", "ok", "chat_completions")
    assert (good["status"], good["stream"], good["level"]) == (200, True, "info")
    assert 0 < good["first_byte_ms"] <= good["duration_ms"]
    assert (lines["log-2"]["status"], lines["log-2"]["client"]) == (401, None)
    assert lines["log-3"]["reason"] == "engine_error"
    assert lines["log-4"]["reason"] == "invalid_json"
    text = gateway.log_file.read_text()
    for secret in (KEY, OLD_KEY, NARROW_KEY, LIMITED_KEY, ENGINE_KEY, "sk-wrong-canary", PROMPT, sha(KEY)):
        assert secret not in text

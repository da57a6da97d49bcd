"""Gateway: traces. Sampling, propagation to engines, what is in a span, and collectors that are away."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gateway_process import (
    ENGINE_KEY,
    KEY,
    PROMPT,
    chat,
    configuration,
    free_port,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine

PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """An OTLP/HTTP collector: keeps what it gets."""

    def __init__(self, port: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if owner.status == 200:
                    owner.bodies.append(body)
                    owner.headers.append({name.lower(): text for name, text in self.headers.items()})
                self.send_response(owner.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def spans(self) -> list[dict[str, Any]]:
        return [
            span
            for body in list(self.bodies)
            for resource in json.loads(body)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        wait_until(f"{count} spans", lambda: len(self.spans()) >= count, 10)
        return self.spans()


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def traced(engine: FakeEngine, folder: Path, url: str, **traces: Any) -> dict[str, Any]:
    return {**configuration(engine.url, folder), "telemetry": {"traces": {"url": url, "ratio": 1.0, **traces}}}


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {entry["key"]: next(iter(entry["value"].values())) for entry in span["attributes"]}


def test_a_request_is_two_spans_with_the_fields_names(engine: FakeEngine, collector: Collector, tmp_path: Path) -> None:
    token = tmp_path / "collector.token"
    token.write_text("Bearer collector-canary-31\n")
    config = traced(engine, tmp_path, collector.url, authorization_file=str(token), service_name="edge")
    with start_gateway(tmp_path, config) as gateway:
        sent = time.time()
        stream = chat("ok", stream=True, max_tokens=9, stream_options={"include_usage": True})
        assert gateway.request(body=stream, headers={"X-Request-Id": "req-1"}).status == 200
        whole, call = sorted(collector.wait_for(2), key=lambda span: span["kind"])
        assert (whole["name"], whole["kind"]) == ("POST /v1/chat/completions", 2)
        assert (call["name"], call["kind"]) == ("chat ok", 3)
        assert call["traceId"] == whole["traceId"]
        assert call["parentSpanId"] == whole["spanId"]
        assert "parentSpanId" not in whole
        assert (len(whole["traceId"]), len(whole["spanId"])) == (32, 16)
        began, ended = (int(whole[name]) / 1e9 for name in ("startTimeUnixNano", "endTimeUnixNano"))
        assert sent - 0.1 < began < int(call["startTimeUnixNano"]) / 1e9 < ended < time.time() + 0.1
        assert attributes(whole) == {
            "http.request.method": "POST",
            "http.route": "/v1/chat/completions",
            "http.response.status_code": "200",
            "slipway.request_id": "req-1",
            "slipway.client": "dev",
        }
        found = attributes(call)
        assert 0 < found.pop("gen_ai.response.time_to_first_chunk") < 1
        assert found == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "ok",
            "gen_ai.request.stream": True,
            "gen_ai.request.max_tokens": "9",
            "gen_ai.usage.input_tokens": "7",
            "gen_ai.usage.output_tokens": "6",
        }
        resource = json.loads(collector.bodies[0])["resourceSpans"][0]["resource"]
        assert {"key": "service.name", "value": {"stringValue": "edge"}} in resource["attributes"]
        assert collector.headers[0]["authorization"] == "Bearer collector-canary-31"
        assert collector.headers[0]["content-type"] == "application/json"
        upstream = engine.of("ok")[-1].headers["traceparent"]
        assert upstream == f"00-{call['traceId']}-{call['spanId']}-01"
        assert gateway.metric('slipway_gateway_traces_total{outcome="sent"}') == 1
        assert "collector-canary" not in gateway.log_file.read_text()


def test_refused_and_broken_requests_are_seen_too(engine: FakeEngine, collector: Collector, tmp_path: Path) -> None:
    with start_gateway(tmp_path, traced(engine, tmp_path, collector.url)) as gateway:
        gateway.request(body=chat("ok"), key="wrong")
        gateway.request(body=chat("cut", stream=True))
        gateway.request("DELETE", "/v1/nothing")
        gateway.request("GET", "/health")
        spans = collector.wait_for(4)
        time.sleep(1.2)
        assert len(collector.spans()) == 4  # none for the probe
        by_name = {span["name"]: span for span in spans}
        refused = [span for span in spans if attributes(span).get("error.type") == "invalid_api_key"]
        assert [attributes(span)["http.response.status_code"] for span in refused] == ["401"]
        assert refused[0]["status"]["code"] == 0  # the client's error, not the server's
        assert attributes(by_name["chat cut"])["error.type"] == "engine_connection_lost"
        assert by_name["chat cut"]["status"]["code"] == 2
        assert "_OTHER unknown" in by_name


@pytest.mark.parametrize(
    ("header", "ratio", "followed", "sampled"),
    [
        (f"00-{PARENT[0]}-{PARENT[1]}-01", 0.0, True, True),
        (f"00-{PARENT[0]}-{PARENT[1]}-00", 1.0, True, False),
        (f"cc-{PARENT[0]}-{PARENT[1]}-01-what-the-future-brings", 0.0, True, True),
        (f"00-{PARENT[0]}-{PARENT[1]}-01-more", 0.0, False, False),
        (f"ff-{PARENT[0]}-{PARENT[1]}-01", 0.0, False, False),
        (f"00-{'0' * 32}-{PARENT[1]}-01", 0.0, False, False),
        (f"00-{PARENT[0]}-{'0' * 16}-01", 0.0, False, False),
        (f"00-{PARENT[0].upper()}-{PARENT[1]}-01", 0.0, False, False),
        ("nonsense", 1.0, False, True),
    ],
)
def test_traceparent_is_followed_where_it_is_one(header: str, ratio: float, followed: bool, sampled: bool) -> None:
    from serving.gateway.telemetry.trace import begin_trace

    trace = begin_trace([(b"traceparent", header.encode())], ratio, follow=True)
    assert (trace.trace_id == PARENT[0], trace.parent_span == PARENT[1]) == (followed, followed)
    assert trace.sampled is sampled
    assert trace.traceparent() == f"00-{trace.trace_id}-{trace.call_span}-0{int(sampled)}"
    twice = begin_trace([(b"traceparent", header.encode())] * 2, ratio, follow=True)
    assert twice.trace_id != PARENT[0]
    assert begin_trace([(b"traceparent", header.encode())], ratio, follow=False).trace_id != PARENT[0]


def test_a_clients_trace_goes_on_at_the_engine(engine: FakeEngine, collector: Collector, tmp_path: Path) -> None:
    with start_gateway(tmp_path, traced(engine, tmp_path, collector.url, ratio=0.0)) as gateway:
        for flags in ("01", "00"):
            parent = f"00-{PARENT[0]}-{PARENT[1]}-{flags}"
            assert gateway.request(body=chat("ok"), headers={"traceparent": parent, "tracestate": "x=y"}).status == 200
            sent = engine.of("ok")[-1].headers["traceparent"]
            assert sent.startswith(f"00-{PARENT[0]}-")
            assert sent.endswith(flags)
            assert PARENT[1] not in sent
        assert gateway.request(body=chat("ok")).status == 200
        assert engine.of("ok")[-1].headers["traceparent"].endswith("-00")
        spans = collector.wait_for(2)
        time.sleep(1.2)
        assert len(collector.spans()) == 2
        assert {span["traceId"] for span in spans} == {PARENT[0]}
        assert PARENT[1] in [span.get("parentSpanId") for span in spans]


def test_about_the_ratio_is_sampled() -> None:
    from serving.gateway.telemetry.trace import begin_trace

    traces = [begin_trace([], 0.25, follow=True) for _ in range(4000)]
    assert 800 < sum(trace.sampled for trace in traces) < 1200
    assert len({trace.trace_id for trace in traces}) == len({trace.span for trace in traces}) == 4000


def test_without_traces_nothing_is_sent_to_the_engine(engine: FakeEngine, tmp_path: Path) -> None:
    with start_gateway(tmp_path, configuration(engine.url, tmp_path)) as gateway:
        header = {"traceparent": f"00-{PARENT[0]}-{PARENT[1]}-01"}
        assert gateway.request(body=chat("ok"), headers=header).status == 200
        assert "traceparent" not in engine.of("ok")[-1].headers


def test_no_prompt_key_or_header_is_in_a_span(engine: FakeEngine, collector: Collector, tmp_path: Path) -> None:
    with start_gateway(tmp_path, traced(engine, tmp_path, collector.url)) as gateway:
        headers = {"User-Agent": "agent-canary", "Cookie": "cookie-canary", "tracestate": "state-canary"}
        gateway.request(body=chat("ok", user="user-canary", stop=["stop-canary"]), headers=headers)
        gateway.request(body=chat("model-canary"), headers=headers)
        gateway.request("GET", "/v1/models/path-canary?query-canary")
        gateway.request(body=chat("ok"), key="wrong-canary")
        gateway.request("PATCH", "/v1/chat/completions")
        collector.wait_for(6)
        text = b"".join(collector.bodies).decode()
        assert "canary" not in text.lower().replace(KEY.lower(), "X")
        for secret in (KEY, PROMPT, ENGINE_KEY):
            assert secret not in text


def test_a_collector_that_is_away_costs_spans_and_nothing_else(engine: FakeEngine, tmp_path: Path) -> None:
    port = free_port()
    config = traced(engine, tmp_path, f"http://127.0.0.1:{port}/v1/traces", queue=20)
    options = ("--accept-seconds", "0", "--drain-seconds", "2")
    with start_gateway(tmp_path, config, *options) as gateway:
        statuses = [gateway.request(body=chat("ok")).status for _ in range(60)]
        assert statuses == [200] * 60
        dropped = gateway.metric('slipway_gateway_traces_total{outcome="dropped"}')
        assert 15 <= dropped <= 40
        with Collector(port) as collector:
            wait_until("they come late", lambda: len(collector.spans()) >= 2 * 20, 15)
            collector.status = 503
            assert gateway.request(body=chat("ok")).status == 200
            time.sleep(1.5)
            collector.status = 200
            before = len(collector.spans())
            wait_until("sent again after a 503", lambda: len(collector.spans()) == before + 2, 10)
        assert gateway.request(body=chat("ok")).status == 200
        started = time.monotonic()
        gateway.terminate()
        assert gateway.exit_status() == 0
        assert time.monotonic() - started < 8


def test_what_waits_is_sent_before_the_end(engine: FakeEngine, collector: Collector, tmp_path: Path) -> None:
    with start_gateway(tmp_path, traced(engine, tmp_path, collector.url), "--accept-seconds", "0") as gateway:
        assert gateway.request(body=chat("ok")).status == 200
        gateway.terminate()
        assert gateway.exit_status() == 0
    assert len(collector.spans()) == 2


def test_a_reload_changes_the_ratio_and_loses_no_span(engine: FakeEngine, collector: Collector, tmp_path: Path) -> None:
    config = traced(engine, tmp_path, collector.url)
    with start_gateway(tmp_path, config) as gateway:
        assert gateway.request(body=chat("ok")).status == 200
        config["telemetry"]["traces"]["ratio"] = 0.0
        (tmp_path / "gateway.json").write_text(json.dumps(config))
        gateway.hang_up()
        gateway.notified()
        assert gateway.request(body=chat("ok")).status == 200
        collector.wait_for(2)
        time.sleep(1.2)
        assert len(collector.spans()) == 2


@pytest.mark.parametrize(
    ("traces", "expected"),
    [
        ({"url": "ftp://x"}, "telemetry.traces.url: found something else"),
        ({"url": "http://x/", "ratio": 2}, "ratio"),
        ({"url": "http://x/", "authorization_file": "/no/such"}, "telemetry.traces.authorization_file: found nothing"),
        ({"url": "http://x/", "surprise": 1}, "an unknown field, not shown, at `$.telemetry.traces`"),
    ],
)
def test_every_problem_of_traces_is_clear(tmp_path: Path, traces: dict[str, Any], expected: str) -> None:
    from serving.gateway.config import ConfigProblem, load_config

    file = tmp_path / "gateway.json"
    config = {**configuration("http://127.0.0.1:1", tmp_path), "telemetry": {"traces": traces}}
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigProblem) as caught:
        load_config(file)
    assert any(expected in line for line in caught.value.problems), caught.value.problems

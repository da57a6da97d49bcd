"""Gateway: what the admin listener tells besides its status, and what its way to try a model lets through."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.admin.figures import quantile
from serving.gateway.admin.trial import Trial
from serving.gateway.refusal import Refusal
from tests.serving.audit_files import lines, wait_for_rows
from tests.serving.gateway_process import (
    ENGINE_KEY,
    KEY,
    NARROW_KEY,
    PROMPT,
    Answer,
    GatewayProcess,
    chat,
    configuration,
    free_port,
    raw_request,
    read_until,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


Admin = tuple[GatewayProcess, int, Path]


@contextmanager
def started(engine: FakeEngine, tmp_path: Path) -> Iterator[Admin]:
    config: dict[str, Any] = configuration(engine.url, tmp_path)
    config["audit"] = {"folder": str(tmp_path / "audit"), "reserve_bytes": 65536}
    config["models"]["narrow"] = {
        **config["models"]["long"],
        "upstreams": [{**config["models"]["long"]["upstreams"][0], "concurrent_requests": 1, "model": "long"}],
    }
    config["clients"]["dev"]["models"].append("narrow")
    port = free_port()
    with start_gateway(tmp_path, config, "--admin", f"127.0.0.1:{port}", "--accept-seconds", "0") as running:
        yield running, port, tmp_path / "audit"


@pytest.fixture
def admin(engine: FakeEngine, tmp_path: Path) -> Iterator[Admin]:
    """One on which nothing has happened yet."""
    with started(engine, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    with started(engine, tmp_path_factory.mktemp("shared")) as running:
        yield running


def read(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200
    for secret in (KEY, ENGINE_KEY, PROMPT):
        assert secret.encode() not in content
    return json.loads(content)


def points(port: int) -> list[dict[str, Any]]:
    document = read(port, "/figures.json")
    return [dict(zip(document["fields"], point, strict=True)) for point in document["points"]]


def test_figures_are_rates_and_latencies_of_each_second(admin: Admin) -> None:
    gateway, port, _ = admin
    began = time.time()
    for _ in range(4):
        assert gateway.request(body=chat("long", stream=True)).status == 200
    assert gateway.request(body=chat("ok")).status == 200
    assert gateway.request(body=chat("ok"), key="sk-wrong").status == 401
    assert gateway.request(body=chat("e503")).status == 503
    assert gateway.request("GET", "/health").status == 200  # a probe is nobody's request
    wait_until("all is counted", lambda: sum(point["requests"] for point in points(port)) > 6.5, 5)
    found = points(port)
    sums = {name: sum(point[name] for point in found) for name in ("requests", "refused", "failed", "output_tokens")}
    # Sums of rates: seconds are not to the millisecond.
    assert sums["requests"] == pytest.approx(7, rel=0.1)
    assert (sums["refused"], sums["failed"]) == (pytest.approx(1, rel=0.1), pytest.approx(1, rel=0.1))
    assert sums["output_tokens"] > 0
    newest = found[-1]
    assert 0 < newest["first_token_p50"] <= newest["first_token_p95"] < 1
    assert 1 < newest["duration_p95"] < 3, "40 frames 40 ms apart"
    assert newest["duration_p50"] <= newest["duration_p95"]
    assert began - 2 < found[0]["time"] < newest["time"] < time.time() + 1
    assert all(0.9 < later["time"] - earlier["time"] < 2 for earlier, later in itertools.pairwise(found))


def test_what_runs_and_what_waits_is_told_by_model(shared: Admin) -> None:
    gateway, port, _ = shared
    with gateway.connect() as first, gateway.connect() as second:
        first.sendall(raw_request(chat("narrow", stream=True)))
        read_until(first, b"w0 ")
        second.sendall(raw_request(chat("narrow", stream=True)))
        wait_until("one waits", lambda: read(port, "/status.json")["models"]["narrow"]["queued"] == 1)
        model = read(port, "/status.json")["models"]["narrow"]
        (replica,) = model["engines"]
        assert (model["in_flight"], model["queued"], model["held"]) == (1, 1, 0)
        assert (replica["state"], replica["boundary"], replica["in_flight"]) == ("trusted", "local", 1)
        wait_until("a point says so", lambda: (points(port) or [{"queued": 0}])[-1]["queued"] == 1)
        assert points(port)[-1]["in_flight"] == 1


def test_an_engine_that_is_away_is_told(engine: FakeEngine, tmp_path: Path) -> None:
    config: dict[str, Any] = configuration("http://127.0.0.1:1", tmp_path)
    port = free_port()
    with start_gateway(tmp_path, config, "--admin", f"127.0.0.1:{port}"):
        wait_until("it was probed", lambda: not read(port, "/status.json")["ready"])
        status = read(port, "/status.json")
    assert status["models"]["ok"]["engines"][0]["state"] == "unreachable"
    assert "model ok: no engine answered its last health check with 200" in status["not_ready_because"]
    assert status["audit"] is None


def test_the_last_refusals_are_told_newest_first_and_bounded(admin: Admin) -> None:
    gateway, port, _ = admin
    assert read(port, "/refusals.json") == []
    assert gateway.request(body=chat("ok")).status == 200
    denied = gateway.request(body=chat("long"), key=NARROW_KEY)
    lost = gateway.request(body=chat("e503"), headers={"X-Request-Id": "lost-1"})
    newest, before = read(port, "/refusals.json")
    assert abs(newest.pop("time") - time.time()) < 5
    assert newest == {
        "status": lost.status,
        "code": "engine_error",
        "client": "dev",
        "model": "e503",
        "endpoint": "chat_completions",
        "request_id": "lost-1",
    }
    assert (before["status"], before["code"], before["client"], before["model"]) == (
        404,
        "model_not_found",
        "narrow",
        None,
    )
    assert before["request_id"] == denied.headers["x-request-id"]
    for _ in range(60):
        assert gateway.request(body=chat("ok"), key="sk-wrong").status == 401
    assert [one["code"] for one in read(port, "/refusals.json")] == ["invalid_api_key"] * 50


def test_the_head_of_the_audit_chain_is_the_last_row_on_disk(admin: Admin) -> None:
    gateway, port, folder = admin
    for _ in range(3):
        gateway.request(body=chat("ok"))
    wait_for_rows(folder, 3)
    wait_until("nothing waits", lambda: read(port, "/status.json")["audit"]["rows_waiting"] == 0)
    told = read(port, "/status.json")["audit"]
    last = lines(folder)[-1]
    assert (told["available"], told["error"]) == (True, "")
    assert told["head"]["seq"] == last["seq"] >= 4
    assert told["head"]["segment"] == 1
    assert abs(told["head"]["written_at"] - time.time()) < 10
    gateway.request(body=chat("ok"))
    wait_until("one row more", lambda: read(port, "/status.json")["audit"]["head"]["seq"] == last["seq"] + 1)
    # The next row names the one before by its hash: it is the one that was told.
    assert lines(folder)[-1]["prev"] == told["head"]["hash"]


def attempt(port: int, body: Any, path: str = "/try/v1/chat/completions", **headers: str | None) -> Answer:
    """A request as the page sends it, but for what `headers` change; None leaves one out."""
    own = f"127.0.0.1:{port}"
    sent: dict[str, str | None] = {
        "Host": own,
        "Origin": f"http://{own}",
        "Content-Type": "application/json",
        "Authorization": f"Bearer {KEY}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    given = {name: value for name, value in sent.items() if value is not None}
    connection.request("POST", path, json.dumps(body).encode(), given)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


def test_a_trial_is_a_request_like_every_other(admin: Admin, engine: FakeEngine) -> None:
    gateway, port, folder = admin
    streamed = attempt(port, chat("long", stream=True))
    assert (streamed.status, streamed.headers["x-slipway-boundary"]) == (200, "local")
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    assert streamed.headers["content-security-policy"].startswith("default-src 'none'")
    refused = attempt(port, chat("long"), Authorization=f"Bearer {NARROW_KEY}")
    assert (refused.status, refused.error["code"]) == (404, "model_not_found")
    over = attempt(port, chat("ok", max_tokens=10**6))
    assert over.status == 400
    whole = attempt(port, {"model": "embed", "input": "x"}, "/try/v1/embeddings")
    assert whole.status == 200
    rows = {row["request_id"]: row for row in wait_for_rows(folder, 4)}
    row = rows[streamed.headers["x-request-id"]]
    assert (row["client"], row["model"], row["status"]) == ("dev", "long", 200)
    assert [line["status"] for line in gateway.log() if line["event"] == "request"] == [200, 404, 400, 200]
    # The engine sees what it always sees, and nothing of the page.
    assert "origin" not in engine.of("long")[-1].headers
    assert engine.of("long")[-1].headers["authorization"] == f"Bearer {ENGINE_KEY}"


@pytest.mark.parametrize("key", [None, "", "Bearer ", "Bearer sk-wrong", f"Basic {KEY}"])
def test_a_trial_without_a_key_is_nobodys(shared: Admin, key: str | None) -> None:
    answer = attempt(shared[1], chat("ok"), Authorization=key)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Origin", None, 403),
        ("Origin", "null", 403),
        ("Origin", "http://evil.example.com", 403),
        ("Origin", "http://localhost:1", 403),
        ("Origin", "https://127.0.0.1:{port}", 403),
        ("Host", "evil.example.com", 403),
        ("Sec_Fetch_Site", "cross-site", 403),
        ("Sec_Fetch_Site", "same-site", 403),
        ("Sec_Fetch_Site", "none", 403),
        ("Content_Type", "text/plain", 415),
        ("Content_Type", "application/x-www-form-urlencoded", 415),
        ("Content_Type", None, 415),
    ],
)
def test_a_trial_comes_from_the_page_and_nowhere_else(
    shared: Admin, engine: FakeEngine, header: str, value: str | None, status: int
) -> None:
    gateway, port, _ = shared
    before = len(engine.calls), len(gateway.log())
    given = value.format(port=port) if value else value
    answer = attempt(port, chat("ok"), **{header: given})
    assert answer.status == status
    assert PROMPT.encode() not in answer.body
    assert (len(engine.calls), len(gateway.log())) == before, "it got to the public side"


@pytest.mark.parametrize(
    "path", ["/try", "/try/", "/try/v1/models", "/try/metrics", "/try/v1/../v1/models", "/figures.json"]
)
def test_nothing_else_can_be_tried(shared: Admin, path: str) -> None:
    assert attempt(shared[1], chat("ok"), path).status == 404


@pytest.mark.parametrize(
    ("client", "passed"), [("127.0.0.1", True), ("::1", True), ("192.0.2.7", False), (None, False)]
)
def test_a_key_does_not_cross_a_network_for_a_trial(client: str | None, passed: bool) -> None:
    """Where the listener was told to be reached from other machines (--admin-beyond-loopback)."""
    seen: list[str] = []

    async def public(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    headers = [(b"host", b"h:1"), (b"origin", b"http://h:1"), (b"content-type", b"application/json")]
    scope = {"path": "/try/v1/completions", "headers": headers, "client": client and (client, 4711)}
    with contextlib.nullcontext() if passed else pytest.raises(Refusal, match="not_on_loopback"):
        asyncio.run(Trial(public, [])(scope, None, None))  # type: ignore[arg-type]
    assert seen == (["/v1/completions"] if passed else [])


def test_a_client_that_leaves_a_trial_frees_the_engine(shared: Admin, engine: FakeEngine) -> None:
    _, port, _ = shared
    before = len(engine.of("long"))
    head = "Origin: http://x\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n"
    request = raw_request(chat("long", stream=True), path="/try/v1/chat/completions", extra=head)
    own = f"127.0.0.1:{port}".encode()
    request = request.replace(b"Host: x", b"Host: " + own).replace(b"http://x", b"http://" + own)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(request)
        read_until(raw, b"w0 ")
    call = engine.wait_for_call("long", before + 1)
    wait_until("the engine's call is closed", lambda: call.closed is not None, 2)
    assert not call.finished


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([0, 0, 0, 0], 0.5, None),
        ([4, 0, 0, 0], 0.5, 0.5),
        ([0, 4, 0, 0], 0.25, 1.25),
        ([1, 1, 2, 0], 0.5, 2.0),
        ([1, 0, 1, 0], 0.95, 3.8),
        ([0, 0, 0, 3], 0.5, 4.0),
        ([1, 0, 0, 99], 0.95, 4.0),
    ],
)
def test_quantiles_of_buckets(counts: list[int], share: float, expected: float | None) -> None:
    assert quantile((1.0, 2.0, 4.0), counts, share) == (None if expected is None else pytest.approx(expected))

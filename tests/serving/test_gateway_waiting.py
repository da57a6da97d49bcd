"""Waiting in a running gateway: queues, requests held until an engine is ready, deadlines, the scaling signal."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.config import load_config
from serving.gateway.policy import Policy
from serving.gateway.waiting.limits import longest_life
from tests.serving.gateway_process import (
    KEY,
    GatewayProcess,
    chat,
    free_port,
    raw_request,
    read_until,
    start_gateway,
    wait_until,
)
from tests.serving.routed import OTHER_KEY, ask, configuration, in_background, model, reload, scaling, settle
from tests.serving.upstream import FakeEngine


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


def limited(engine: FakeEngine, count: int = 1, **fields: Any) -> dict[str, Any]:
    return model([engine], upstream={"concurrent_requests": count}, **fields)


def test_requests_wait_for_their_turn(engine: FakeEngine, tmp_path: Path) -> None:
    engine.pause = 0.3
    with start_gateway(tmp_path, configuration({"m": limited(engine, 2)})) as gateway:
        settle(gateway, 1)
        running = [in_background(lambda: ask(gateway)) for _ in range(6)]
        wait_until("two run, four wait", lambda: scaling(gateway, "m")["queued"] == 4)
        assert scaling(gateway, "m") == {
            "model": "m",
            "running": 2,
            "queued": 4,
            "held": 0,
            "total": 6,
            "complete": True,
            "process": {"running": 2, "queued": 4, "held": 0, "total": 6},
        }
        for thread, answers in running:
            thread.join(10)
            assert answers[0].status == 200
        assert gateway.metric('slipway_gateway_queue_time_seconds_count{model="m"}') == 4
        assert scaling(gateway, "m")["total"] == 0


def test_priorities_first_and_clients_in_turn(engine: FakeEngine, tmp_path: Path) -> None:
    engine.pause = 0.15
    config = configuration({"m": limited(engine)})
    config["clients"]["restricted"] |= {"priority": 5, "data_class": None}
    from tests.serving.routed import RESTRICTED_KEY

    with start_gateway(tmp_path, config) as gateway:
        settle(gateway, 1)
        threads = [in_background(lambda: ask(gateway))]
        wait_until("the first runs", lambda: len(engine.calls) == 1)
        for name, key, times in (("dev", KEY, 4), ("second", OTHER_KEY, 2), ("restricted", RESTRICTED_KEY, 1)):
            for number in range(times):
                threads.append(
                    in_background(
                        lambda name=name, key=key, number=number: ask(
                            gateway, key=key, headers={"X-Request-Id": f"{name}-{number}"}
                        )
                    )
                )
                waiting = len(threads) - 1
                wait_until("it waits", lambda waiting=waiting: sum(work(gateway)) >= waiting)
        for thread, answers in threads:
            thread.join(10)
            assert answers[0].status == 200
        order = [call.headers["x-request-id"].partition("-")[0] for call in engine.calls[1:]]
        position = order.index("restricted")
        assert position <= 3  # it came last and overtook all that still waited
        rest = [name for name in order if name != "restricted"]
        assert rest.index("second") < 3  # not behind all four of dev
        dev = [call.headers["x-request-id"] for call in engine.calls[1:] if "dev-" in call.headers["x-request-id"]]
        assert dev == sorted(dev)


@pytest.mark.parametrize(("lets_pass_seconds", "expected"), [(None, ["early", "new"]), (4.0, ["new", "early"])])
def test_who_can_no_longer_be_in_time_lets_others_pass(
    engine: FakeEngine, tmp_path: Path, lets_pass_seconds: float | None, expected: list[str]
) -> None:
    """The first ends when it is told to: no time is raced but the wait that makes one late."""
    passes = {} if lets_pass_seconds is None else {"lets_pass_seconds": lets_pass_seconds}
    engine.acts_as = "nohdr"
    with start_gateway(tmp_path, configuration({"m": limited(engine, queue={"seconds": 60, **passes})})) as gateway:
        settle(gateway, 1)
        first = gateway.connect()
        first.sendall(raw_request(chat("m")))
        engine.wait_for_call("m")
        threads = [in_background(lambda: ask(gateway, headers={"X-Request-Id": "early"}))]
        wait_until("one waits", lambda: scaling(gateway, "m")["queued"] == 1)
        time.sleep(0.0 if lets_pass_seconds is None else lets_pass_seconds + 0.1)
        engine.acts_as = None
        threads.append(in_background(lambda: ask(gateway, headers={"X-Request-Id": "new"})))
        wait_until("two wait", lambda: scaling(gateway, "m")["queued"] == 2)
        first.close()
        for thread, answers in threads:
            thread.join(30)
            assert answers[0].status == 200
        assert [call.headers["x-request-id"] for call in engine.calls[1:]] == expected


def work(gateway: GatewayProcess) -> tuple[int, int, int]:
    """Waiting now, held now, and answered so far."""
    seen = scaling(gateway, "m")
    answered = gateway.metric('slipway_gateway_queue_time_seconds_count{model="m"}')
    return seen["queued"], seen["held"], int(answered)


def test_a_full_queue_and_a_deadline_say_so(engine: FakeEngine, tmp_path: Path) -> None:
    engine.acts_as = "long"
    queue = {"size": 1, "seconds": 0.5}
    with start_gateway(tmp_path, configuration({"m": limited(engine, queue=queue)})) as gateway:
        settle(gateway, 1)
        running = in_background(lambda: ask(gateway, stream=True))
        engine.wait_for_call("m")
        late = in_background(lambda: ask(gateway))
        wait_until("it waits", lambda: scaling(gateway, "m")["queued"] == 1)
        full = ask(gateway)
        assert (full.status, full.error["code"]) == (429, "queue_full")
        assert int(full.headers["retry-after"]) >= 1
        late[0].join(5)
        assert (late[1][0].status, late[1][0].error["code"]) == (503, "queued_too_long")
        assert late[1][0].headers["retry-after"]
        running[0].join(10)
        assert running[1][0].body.endswith(b"data: [DONE]\n\n")
        assert gateway.metric('slipway_gateway_queue_refusals_total{model="m"}') == 2
        assert len(engine.calls) == 1


@pytest.mark.parametrize("phase", ["queued", "held"])
def test_a_client_that_leaves_gives_up_its_place_at_once(engine: FakeEngine, tmp_path: Path, phase: str) -> None:
    if phase == "held":
        engine.health_status = 503
    engine.acts_as = "nohdr"
    config = configuration({"m": limited(engine, hold={"seconds": 30})}, first_byte_seconds=None)
    with start_gateway(tmp_path, config) as gateway:
        if phase == "queued":
            settle(gateway, 1)
            first = gateway.connect()
            first.sendall(raw_request(chat("m")))
            engine.wait_for_call("m")
        else:
            wait_until("probed", lambda: bool(engine.health_headers))
            time.sleep(0.2)
        leaving = [gateway.connect() for _ in range(3)]
        for raw in leaving:
            raw.sendall(raw_request(chat("m")))
        wait_until("they wait", lambda: scaling(gateway, "m")[phase] == 3)
        started = time.monotonic()
        for raw in leaving:
            raw.close()
        wait_until("gone", lambda: scaling(gateway, "m")[phase] == 0, 2)
        assert time.monotonic() - started < 1
        if phase == "queued":
            first.close()
            wait_until("nothing runs", lambda: scaling(gateway, "m")["total"] == 0, 2)
        assert len(engine.calls) == (1 if phase == "queued" else 0)


def scaled_to_zero(folder: Path, **hold: Any) -> tuple[int, Any]:
    """A model whose engine does not listen yet, and the port where it will."""
    port = free_port()
    return port, configuration({"m": model([f"http://127.0.0.1:{port}"], hold=hold)})


def engine_on(port: int) -> FakeEngine:
    engine = FakeEngine()
    engine._socket.close()
    engine._socket = socket.create_server(("127.0.0.1", port), backlog=512)
    return engine


def test_requests_are_held_until_an_engine_is_ready(tmp_path: Path) -> None:
    port, config = scaled_to_zero(tmp_path, seconds=20, keep_alive_seconds=0.3)
    with start_gateway(tmp_path, config) as gateway:
        assert gateway.request("GET", "/ready", port=gateway.operations, key=None).status == 200
        whole = in_background(lambda: ask(gateway))
        stream = gateway.connect()
        stream.sendall(raw_request(chat("m", stream=True)))
        wait_until("held", lambda: scaling(gateway, "m")["held"] == 2)
        assert gateway.metric('slipway_gateway_requests_waiting{model="m",why="held"}') == 2
        seen = read_until(stream, b": waiting\n\n")
        assert b"200 OK" in seen
        assert b"text/event-stream" in seen
        with engine_on(port) as engine:
            seen += read_until(stream, b"[DONE]")
            assert seen.count(b"HTTP/1.1 200") == 1
            assert seen.count(b'"w') == 6
            whole[0].join(10)
            assert whole[1][0].status == 200
            assert len(engine.calls) == 2
            assert scaling(gateway, "m")["held"] == 0
        stream.close()


def test_holding_ends_at_its_deadline(tmp_path: Path) -> None:
    _, config = scaled_to_zero(tmp_path, seconds=1, keep_alive_seconds=0.4)
    with start_gateway(tmp_path, config) as gateway:
        started = time.monotonic()
        answer = ask(gateway)
        assert 0.9 < time.monotonic() - started < 2
        assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "held_too_long", "10")
        stream = ask(gateway, stream=True)
        assert stream.status == 200  # the head was out: the truth comes as an event
        last = stream.body.decode().strip().split("\n\n")[-1]
        assert last.startswith("event: error\ndata: ")
        assert json.loads(last.partition("data: ")[2])["error"]["code"] == "held_too_long"
        lines = [line for line in gateway.log() if line.get("reason") == "held_too_long"]
        assert len(lines) == 2


def test_an_engines_error_after_holding_is_an_event(tmp_path: Path) -> None:
    port, config = scaled_to_zero(tmp_path, seconds=20, keep_alive_seconds=0.2)
    for behaviour, code in (("e400", b"too long by 3 tokens"), ("cut", b"engine_connection_lost"), ("dead", b"lost")):
        with start_gateway(tmp_path, config) as gateway:
            stream = gateway.connect()
            stream.sendall(raw_request(chat("m", stream=True)))
            seen = read_until(stream, b": waiting\n\n")
            engine = engine_on(port)
            engine.acts_as = behaviour
            with engine:
                seen += read_until(stream, code)
            assert b"event: error\ndata: {" in seen
            assert seen.count(b"HTTP/1.1") == 1
            assert b"[DONE]" not in seen
            stream.close()


def test_an_engine_that_restarts_costs_no_request(tmp_path: Path) -> None:
    port, config = scaled_to_zero(tmp_path, seconds=20)
    with start_gateway(tmp_path, config) as gateway:
        with engine_on(port):
            assert ask(gateway).status == 200
        # The gateway does not know yet that it is gone.
        held = [in_background(lambda: ask(gateway)) for _ in range(5)]
        wait_until("held", lambda: scaling(gateway, "m")["held"] == 5)
        with engine_on(port):
            for thread, answers in held:
                thread.join(10)
                assert answers[0].status == 200


def test_holding_first_then_the_fallback(engine: FakeEngine, tmp_path: Path) -> None:
    _, config = scaled_to_zero(tmp_path, seconds=0.6)
    config["models"]["m"]["fallbacks"] = ["f"]
    config["models"]["f"] = model([engine])
    with start_gateway(tmp_path, config) as gateway:
        time.sleep(0.3)
        started = time.monotonic()
        answer = ask(gateway)
        assert (answer.status, answer.headers["x-slipway-model"]) == (200, "f")
        assert time.monotonic() - started > 0.4


def test_waiting_survives_a_reload_and_a_removed_model_ends_it(tmp_path: Path) -> None:
    port, config = scaled_to_zero(tmp_path, seconds=30)
    config["models"]["n"] = model(["http://127.0.0.1:9"], hold={"seconds": 30})
    for client in config["clients"].values():
        client["models"] = ["m", "n"]
    with start_gateway(tmp_path, config) as gateway:
        kept = in_background(lambda: ask(gateway))
        dropped = in_background(lambda: ask(gateway, "n"))
        wait_until("held", lambda: scaling(gateway, "m")["held"] + scaling(gateway, "n")["held"] == 2)
        del config["models"]["n"]
        for client in config["clients"].values():
            client["models"] = ["m"]
        assert reload(gateway, tmp_path, config).startswith("reloaded")
        dropped[0].join(5)
        assert (dropped[1][0].status, dropped[1][0].error["code"]) == (503, "no_replica_ready")
        assert scaling(gateway, "m")["held"] == 1
        with engine_on(port):
            kept[0].join(10)
            assert kept[1][0].status == 200


def test_waiting_requests_are_served_during_a_drain(engine: FakeEngine, tmp_path: Path) -> None:
    engine.pause = 0.4
    with start_gateway(tmp_path, configuration({"m": limited(engine)}), "--accept-seconds", "0.2") as gateway:
        settle(gateway, 1)
        running = [in_background(lambda: ask(gateway)) for _ in range(4)]
        wait_until("three wait", lambda: scaling(gateway, "m")["queued"] == 3)
        gateway.terminate()
        for thread, answers in running:
            thread.join(10)
            assert answers[0].status == 200
        assert gateway.exit_status() == 0


def test_a_drain_waits_for_those_who_wait(tmp_path: Path) -> None:
    _, config = scaled_to_zero(tmp_path, seconds=60)
    config["models"]["m"]["longest_generation_seconds"] = 7
    config["models"]["q"] = model(["http://h"], upstream={"concurrent_requests": 1}, queue={"seconds": 9})
    config["models"]["plain"] = model(["http://h"])
    (tmp_path / "c.json").write_text(json.dumps(config))
    policy = Policy(load_config(tmp_path / "c.json"))
    assert {name: longest_life(each) for name, each in policy.models.items()} == {"m": 67, "q": 29, "plain": 20}

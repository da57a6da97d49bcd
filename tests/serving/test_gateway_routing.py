"""Routing in a running gateway: balancing, retries, ejection, fallbacks and boundaries, canaries, shadow traffic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gateway_process import PROMPT, GatewayProcess, start_gateway, wait_until
from tests.serving.routed import (
    OTHER_KEY,
    RESTRICTED_KEY,
    ask,
    configuration,
    in_background,
    model,
    reload,
    replicas,
    settle,
)
from tests.serving.upstream import FakeEngine

QUICK = {"eject": {"failures": 3, "of_last": 5, "seconds": 0.5}}


@pytest.fixture
def engines() -> Iterator[list[FakeEngine]]:
    with FakeEngine() as one, FakeEngine() as two, FakeEngine() as three:
        yield [one, two, three]


def counts(engines: list[FakeEngine]) -> list[int]:
    return [len(engine.calls) for engine in engines]


def test_requests_are_spread_and_a_busy_replica_gets_fewer(engines: list[FakeEngine], tmp_path: Path) -> None:
    with start_gateway(tmp_path, configuration({"m": model(engines)})) as gateway:
        settle(gateway, 3)
        for _ in range(9):
            assert ask(gateway).status == 200
        assert counts(engines) == [3, 3, 3]
        engines[0].pause = 1.5
        held = [in_background(lambda: ask(gateway)) for _ in range(3)]
        wait_until("one each", lambda: counts(engines) == [4, 4, 4])
        time.sleep(0.2)  # two of them have answered
        for _ in range(6):
            ask(gateway)
        assert counts(engines) == [4, 7, 7]
        for thread, answers in held:
            thread.join(10)
            assert answers[0].status == 200


def test_prefix_affinity_survives_a_reload_and_a_restart(engines: list[FakeEngine], tmp_path: Path) -> None:
    config = configuration({"m": model(engines, routing={"balance": "prefix"})})

    def places(gateway: GatewayProcess) -> list[int]:
        found: list[int] = []
        for number in range(12):
            before = counts(engines)
            messages = [{"role": "user", "content": f"conversation {number}"}]
            assert ask(gateway, messages=messages).status == 200
            found.append(next(index for index in range(3) if counts(engines)[index] > before[index]))
        return found

    with start_gateway(tmp_path, config) as gateway:
        settle(gateway, 3)
        first = places(gateway)
        assert places(gateway) == first
        assert len(set(first)) > 1
        assert reload(gateway, tmp_path, config).startswith("reloaded")
        assert places(gateway) == first
    with start_gateway(tmp_path, config) as gateway:
        settle(gateway, 3)
        assert places(gateway) == first


def test_a_failing_replica_is_ejected_and_comes_back(engines: list[FakeEngine], tmp_path: Path) -> None:
    bad, good, _ = engines
    bad.acts_as = "e503"
    with start_gateway(tmp_path, configuration({"m": model([bad, good], routing=QUICK)})) as gateway:
        settle(gateway, 2)
        for _ in range(12):
            assert ask(gateway).status == 200  # failed calls were repeated
        assert replicas(gateway)["ejected"] + replicas(gateway)["on_trial"] == 1
        assert gateway.metric('slipway_gateway_ejections_total{model="m"}') >= 1
        assert gateway.metric('slipway_gateway_retries_total{model="m"}') >= 3
        asked = len(bad.calls)
        for _ in range(20):
            assert ask(gateway).status == 200
        assert len(bad.calls) - asked <= 2  # trials
        bad.acts_as = None

        def again() -> bool:
            ask(gateway)
            return replicas(gateway)["trusted"] == 2

        wait_until("taken back", again, 10)


def test_a_dead_replica_costs_no_client_anything(engines: list[FakeEngine], tmp_path: Path) -> None:
    gone = "http://127.0.0.1:9"
    routing = {"retries": {"percent": 0, "at_least": 0}}  # a call that was never sent is no extra call
    with start_gateway(tmp_path, configuration({"m": model([gone, engines[0]], routing=routing)})) as gateway:
        with ThreadPoolExecutor(8) as workers:
            statuses = list(workers.map(lambda _: ask(gateway).status, range(40)))
        assert statuses == [200] * 40
        wait_until("probed", lambda: replicas(gateway)["unreachable"] == 1)


def test_what_is_retried_and_what_is_not(engines: list[FakeEngine], tmp_path: Path) -> None:
    for behaviour, calls, status in (("e429", 2, 429), ("dead", 2, 502), ("halfbody", 2, 502), ("e400", 1, 400)):
        for engine in engines:
            engine.acts_as = behaviour
            engine.calls.clear()
        routing = {"retries": {"attempts": 1}, "eject": {"failures": 50, "of_last": 60}}
        with start_gateway(tmp_path, configuration({"m": model(engines, routing=routing)})) as gateway:
            settle(gateway, 3)
            assert ask(gateway).status == status
        assert sum(counts(engines)) == calls, behaviour


def test_nothing_is_retried_after_the_first_byte(engines: list[FakeEngine], tmp_path: Path) -> None:
    for engine in engines:
        engine.acts_as = "cut"
    with start_gateway(tmp_path, configuration({"m": model(engines)})) as gateway:
        settle(gateway, 3)
        answer = ask(gateway, stream=True)
        assert b"engine_connection_lost" in answer.body
        assert answer.body.count(b'"w') == 5
        assert sum(counts(engines)) == 1


def test_fallbacks_in_order_and_the_answer_says_who_served_it(engines: list[FakeEngine], tmp_path: Path) -> None:
    first, second, third = engines
    models = {
        "m": model([first], fallbacks=["b", "c"], routing=QUICK),
        "b": model([second], upstream={"boundary": "cloud", "model": "vendor/b", "kind": "openai"}),
        "c": model([third]),
    }
    with start_gateway(tmp_path, configuration(models)) as gateway:
        settle(gateway, 1)
        answer = ask(gateway)
        assert answer.headers["x-slipway-boundary"] == "local"
        assert answer.headers["x-slipway-model"] is None
        first.acts_as = "e503"
        answer = ask(gateway, seed=1234567890123456789)
        assert answer.status == 200
        assert (answer.headers["x-slipway-boundary"], answer.headers["x-slipway-model"]) == ("cloud", "b")
        assert second.calls[-1].body["model"] == "vendor/b"
        assert second.calls[-1].body["messages"] == [{"role": "user", "content": PROMPT}]
        assert second.calls[-1].raw.count(b"1234567890123456789") == 1
        second.acts_as = "e503"
        answer = ask(gateway)
        assert (answer.headers["x-slipway-boundary"], answer.headers["x-slipway-model"]) == ("local", "c")
        third.acts_as = "e429"
        answer = ask(gateway)
        assert answer.status in (429, 503)
        assert answer.headers["retry-after"] in ("7", "3")
        assert gateway.metric('slipway_gateway_fallbacks_total{model="c"}') >= 1


def test_restricted_data_never_leaves_its_boundary(engines: list[FakeEngine], tmp_path: Path) -> None:
    here, cloud, _ = engines
    models = {
        "m": model([here], fallbacks=["far"], routing=QUICK, shadow={"model": "far", "percent": 100}),
        "far": model([cloud], upstream={"boundary": "cloud"}),
        "mixed": model([here], routing=QUICK),
        "canary": model([here], routes={"to": {"far": {"model": "far", "weight": 1}}}),
    }
    models["mixed"]["upstreams"].append({"url": cloud.url, "key_file": None, "boundary": "cloud"})
    with start_gateway(tmp_path, configuration(models)) as gateway:
        settle(gateway, 1)
        answer = ask(gateway, "far", key=RESTRICTED_KEY)
        assert (answer.status, answer.error["code"]) == (403, "boundary_not_allowed")
        for name in ("m", "mixed", "canary"):
            for _ in range(6):
                assert ask(gateway, name, key=RESTRICTED_KEY).headers["x-slipway-boundary"] in ("local", None)
        here.acts_as = "e503"
        for name in ("m", "mixed"):
            for _ in range(8):
                assert ask(gateway, name, key=RESTRICTED_KEY).status == 503
        time.sleep(0.2)
        assert cloud.calls == []
        for name in ("m", "mixed"):
            assert ask(gateway, name).status == 200  # others may
        assert cloud.calls


def test_canary_shares_are_sticky_and_change_by_reload(engines: list[FakeEngine], tmp_path: Path) -> None:
    stable, canary, _ = engines

    def config(weight: float, sticky: str = "session") -> Any:
        routes = {
            "to": {"stable": {"model": "m", "weight": 100 - weight}, "new": {"model": "next", "weight": weight}},
            "sticky": sticky,
        }
        return configuration({"m": model([stable], routes=routes), "next": model([canary])})

    def routes(gateway: GatewayProcess) -> list[str]:
        found: list[str] = []
        for number in range(60):
            answer = ask(gateway, headers={"X-Session-Id": f"session-{number}"})
            assert answer.status == 200
            assert (
                answer.headers["x-slipway-model"] == {"stable": "m", "new": "next"}[answer.headers["x-slipway-route"]]
            )
            found.append(answer.headers["x-slipway-route"])
        return found

    with start_gateway(tmp_path, config(20)) as gateway:
        settle(gateway, 1)
        before = routes(gateway)
        assert 3 <= before.count("new") <= 24
        assert routes(gateway) == before
        assert canary.calls[-1].body["model"] == "next"
        assert reload(gateway, tmp_path, config(60)).startswith("reloaded")
        after = routes(gateway)
        assert after.count("new") > before.count("new")
        assert all(new == "new" for old, new in zip(before, after, strict=True) if old == "new")
        assert reload(gateway, tmp_path, config(0)).startswith("reloaded")
        assert routes(gateway).count("new") == 0
        assert reload(gateway, tmp_path, config(50, "client")).startswith("reloaded")
        for key in (OTHER_KEY, RESTRICTED_KEY):
            assert len({ask(gateway, key=key).headers["x-slipway-route"] for _ in range(10)}) == 1
        assert reload(gateway, tmp_path, config(50, "none")).startswith("reloaded")
        assert len({ask(gateway).headers["x-slipway-route"] for _ in range(40)}) == 2


def test_shadow_copies_are_bounded_and_delay_nobody(engines: list[FakeEngine], tmp_path: Path) -> None:
    main, shadow, _ = engines
    shadow.pause = 1.0
    models = {
        "m": model([main], shadow={"model": "s", "percent": 100, "concurrent": 2}),
        "s": model([shadow], upstream={"model": "s-inside"}),
    }
    with start_gateway(tmp_path, configuration(models)) as gateway:
        settle(gateway, 1)
        started = time.monotonic()
        for _ in range(10):
            assert ask(gateway).status == 200
        assert time.monotonic() - started < 0.9
        assert len(shadow.calls) == 2
        assert shadow.calls[0].body["model"] == "s-inside"
        assert shadow.calls[0].headers["x-request-id"].endswith(".shadow")
        assert gateway.metric('slipway_gateway_shadow_requests_total{model="s",result="dropped"}') == 8
        wait_until(
            "both done",
            lambda: gateway.metric('slipway_gateway_shadow_requests_total{model="s",result="done"}') == 2,
        )
        requests = [line for line in gateway.log() if line["event"] == "request" and line["endpoint"] != "ready"]
        assert len([line for line in requests if line["model"] == "m"]) == 10
        shadow.acts_as = "dead"
        assert ask(gateway).status == 200
        gateway.terminate()
        assert gateway.exit_status() == 0


def test_shadow_copies_stay_inside_the_boundary_of_the_answer(engines: list[FakeEngine], tmp_path: Path) -> None:
    models = {
        "m": model([engines[0]], shadow={"model": "s", "percent": 100}),
        "s": model([engines[1]], upstream={"boundary": "cloud"}),
    }
    with start_gateway(tmp_path, configuration(models)) as gateway:
        settle(gateway, 1)
        for _ in range(5):
            assert ask(gateway).status == 200
        assert gateway.metric('slipway_gateway_shadow_requests_total{model="s",result="dropped"}') == 5
        assert engines[1].calls == []

"""GET /health/deep: a real answer, bounded in what it costs, told to anybody, and nothing told but yes or no."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.serving.gateway_process import Answer, GatewayProcess, chat, configuration, start_gateway, wait_until
from tests.serving.upstream import FakeEngine

# So long that no test asks twice by itself.
RARELY = 600


@contextmanager
def asked(folder: Path, *urls: str, models: tuple[str, ...] = ("ok",), **deep: Any) -> Iterator[GatewayProcess]:
    """A gateway whose models have a replica at each URL."""
    config = configuration(urls[0], folder)
    for model in config["models"].values():
        (only,) = model["upstreams"]
        model["upstreams"] = [{**only, "url": url} for url in urls]
    config["deep_health"] = {"models": [*models], "every_seconds": RARELY, "timeout_seconds": 1, **deep}
    with start_gateway(folder, config) as gateway:
        yield gateway


def deep(gateway: GatewayProcess, **more: Any) -> Answer:
    return gateway.request("GET", "/health/deep", key=None, **more)


def test_it_is_not_there_unless_it_is_wanted(tmp_path: Path) -> None:
    with FakeEngine() as engine, start_gateway(tmp_path, configuration(engine.url, tmp_path)) as gateway:
        assert deep(gateway).status == 404
        assert not engine.calls


def test_one_token_is_asked_for_once_however_often_anybody_asks(tmp_path: Path) -> None:
    with FakeEngine() as engine, asked(tmp_path, engine.url) as gateway:
        for _ in range(20):
            answer = deep(gateway)
            assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
        (call,) = engine.calls
        assert (call.model, call.body["max_tokens"]) == ("ok", 1)
        assert call.headers["x-request-id"] == "slipway-deep-health"
        assert gateway.request("POST", "/health/deep", key=None).status == 405


def test_an_engine_that_answers_its_health_and_nothing_else_is_a_no(tmp_path: Path) -> None:
    """What /ready cannot see."""
    with FakeEngine() as engine, asked(tmp_path, engine.url) as gateway:
        engine.acts_as = "e503"
        assert gateway.request("GET", "/ready", key=None).status == 200
        wait_until("the failure is known", lambda: deep(gateway).status == 503, 20)
        answer = deep(gateway)
        assert json.loads(answer.body) == {"status": "failing"}, "nothing is told but yes or no"
        assert "ok" not in str(answer.headers).lower().split("x-request-id")[0]
        assert len(engine.calls) == 1


def test_a_hanging_engine_is_a_no_when_its_time_is_over(tmp_path: Path) -> None:
    with FakeEngine() as engine, asked(tmp_path, engine.url) as gateway:
        engine.pause = 3600
        wait_until("the silence is known", lambda: deep(gateway).status == 503, 30)
        assert len(engine.calls) == 1


def test_it_is_asked_again_and_comes_back(tmp_path: Path) -> None:
    with FakeEngine() as engine, asked(tmp_path, engine.url, every_seconds=1) as gateway:
        engine.acts_as = "e503"
        wait_until("the failure is known", lambda: deep(gateway).status == 503, 20)
        engine.acts_as = None
        wait_until("it works again", lambda: deep(gateway).status == 200, 20)


def test_what_clients_get_is_the_answer_and_no_token_is_asked_for(tmp_path: Path) -> None:
    with FakeEngine() as engine, asked(tmp_path, engine.url) as gateway:
        assert gateway.request(body=chat("ok")).status == 200
        assert deep(gateway).status == 200
        assert [call.headers["x-request-id"] for call in engine.calls if "deep" in call.headers["x-request-id"]] == []
        stream = gateway.request(body=chat("ok", stream=True))
        assert stream.status == 200
        assert len(engine.calls) == 2


def test_a_refused_client_is_no_answer(tmp_path: Path) -> None:
    """Whoever sends nonsense must not make a broken engine look well."""
    with FakeEngine() as engine, asked(tmp_path, engine.url) as gateway:
        engine.acts_as = "e400"
        assert gateway.request(body=chat("ok")).status == 400
        deep(gateway)
        engine.wait_for_call("ok", 2)


def test_a_stream_that_was_cut_is_no_answer(tmp_path: Path) -> None:
    with FakeEngine() as engine, asked(tmp_path, engine.url, models=("endless",)) as gateway:
        assert b"error" in gateway.request(body=chat("endless", stream=True)).body
        deep(gateway)
        engine.wait_for_call("endless", 2)


@pytest.mark.parametrize("behaviour", ["hollow", "halfbody", "e401"])
def test_whatever_is_not_a_generated_token_is_a_no(tmp_path: Path, behaviour: str) -> None:
    with FakeEngine() as engine, asked(tmp_path, engine.url) as gateway:
        engine.acts_as = behaviour
        wait_until("that is known", lambda: deep(gateway).status == 503, 20)


def test_an_engine_that_is_busy_is_not_broken(tmp_path: Path) -> None:
    with FakeEngine() as engine, asked(tmp_path, engine.url, every_seconds=1) as gateway:
        engine.acts_as = "e429"
        wait_until("it has been asked", lambda: deep(gateway).status == 200 and len(engine.calls) > 1, 20)


def test_one_good_replica_is_enough(tmp_path: Path) -> None:
    with FakeEngine() as bad, FakeEngine() as good, asked(tmp_path, bad.url, good.url) as gateway:
        bad.acts_as = "e503"
        wait_until("the other one has been asked", lambda: deep(gateway).status == 200 and good.calls, 20)
        assert deep(gateway).status == 200


def test_every_model_that_is_named_must_answer_and_no_other(tmp_path: Path) -> None:
    with FakeEngine() as engine, asked(tmp_path, engine.url, models=("ok", "embed", "e503")) as gateway:
        wait_until("the failure is known", lambda: deep(gateway).status == 503, 20)
        assert {call.path for call in engine.of("embed")} == {"/v1/embeddings"}
    with FakeEngine() as engine, asked(tmp_path, engine.url, models=("ok",)) as gateway:
        assert deep(gateway).status == 200
        assert {call.model for call in engine.calls} == {"ok"}


def test_no_reachable_engine_is_a_no_without_asking(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        engine.health_status = 500
        with asked(tmp_path, engine.url) as gateway:
            assert deep(gateway).status == 503
            assert not engine.calls


@pytest.mark.parametrize(
    ("field", "value"), [("models", []), ("models", ["not-there"]), ("every_seconds", 0), ("timeout_seconds", -1)]
)
def test_what_cannot_be_asked_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    config = configuration("http://127.0.0.1:9", tmp_path)
    config["deep_health"] = {"models": ["ok"], field: value}
    with start_gateway(tmp_path, config, wait_ready=False) as gateway:
        assert gateway.exit_status() != 0
        assert "deep_health" in gateway.log_file.read_text()

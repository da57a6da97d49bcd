"""An incident: what is blocked is refused within seconds, by a file that nobody deploys, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.containment.arguments import KINDS as WRITTEN_KINDS
from serving.gateway.config import ConfigProblem, load_config
from serving.gateway.containment import KINDS
from tests.serving.gateway_process import KEY, NARROW_KEY, OLD_KEY, chat, configuration, sha, start_gateway, wait_until
from tests.serving.routed import configuration as routed
from tests.serving.routed import model
from tests.serving.upstream import FakeEngine


def until(condition: Callable[[], bool]) -> None:
    wait_until("what is written has been taken over", condition, 30)


def write(file: Path, **blocked: list[str]) -> None:
    whole = file.with_suffix(".new")
    whole.write_text(json.dumps(blocked))
    whole.replace(file)


def test_whoever_is_contained_is_refused_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "contained.json"
    with (
        FakeEngine() as engine,
        start_gateway(tmp_path, configuration(engine.url, tmp_path), "--contained", str(file)) as gateway,
    ):
        pid = gateway.process.pid

        def statuses() -> list[int]:
            keys = (KEY, OLD_KEY, NARROW_KEY)
            return [gateway.request(body=chat("ok"), key=key).status for key in keys]

        assert statuses() == [200, 200, 200]
        write(file, clients=["dev"])
        until(lambda: statuses() == [403, 403, 200])
        refused = gateway.request(body=chat("ok"), key=KEY)
        assert refused.error["code"] == "access_suspended"
        assert gateway.request("GET", "/v1/models", key=KEY).status == 403
        # One key of it only, as the audit and the log name it; the client's other key works.
        write(file, keys=[f"key:{sha(OLD_KEY)[:8]}"])
        until(lambda: statuses() == [200, 403, 200])
        write(file, models=["ok"])
        until(lambda: statuses() == [503, 503, 503])
        assert gateway.request(body=chat("ok"), key=KEY).error["code"] == "model_suspended"
        assert gateway.request(body=chat("big"), key=KEY).status == 200
        assert gateway.metric('slipway_gateway_contained{kind="models"}') == 1
        file.unlink()
        until(lambda: statuses() == [200, 200, 200])
        assert gateway.metric('slipway_gateway_contained{kind="models"}') == 0
        assert gateway.process.pid == pid
        assert gateway.process.poll() is None


def test_a_reload_by_somebody_else_undoes_no_block_and_is_told_of_its_own_alone(tmp_path: Path) -> None:
    file = tmp_path / "contained.json"
    write(file, clients=["dev"])
    with (
        FakeEngine() as engine,
        start_gateway(tmp_path, configuration(engine.url, tmp_path), "--contained", str(file)) as gateway,
    ):
        assert gateway.request(body=chat("ok"), key=KEY).status == 403, "a gateway that starts now knows it too"
        write(file, clients=["dev", "narrow"])
        until(lambda: gateway.request(body=chat("ok"), key=NARROW_KEY).status == 403)
        gateway.hang_up()
        assert gateway.notified().startswith("reloaded ")
        assert gateway.request(body=chat("ok"), key=KEY).status == 403
        # What cannot be understood lifts nothing.
        file.write_text("{broken")
        until(lambda: "reload_refused" in str(gateway.log()))
        assert gateway.request(body=chat("ok"), key=KEY).status == 403
        write(file)
        until(lambda: gateway.request(body=chat("ok"), key=KEY).status == 200)
        gateway.hang_up()
        assert gateway.notified().startswith("reloaded ")
        with pytest.raises(AssertionError, match="no notification"):
            gateway.notified(1)


def test_nothing_is_sent_to_a_blocked_model_route_or_place(tmp_path: Path) -> None:
    file = tmp_path / "contained.json"
    with FakeEngine() as own, FakeEngine() as canary, FakeEngine() as cloud:
        for engine in (own, canary, cloud):
            engine.acts_as = "ok"
        models: dict[str, Any] = {
            "ok": model([own], routes={"to": {"canary": {"model": "next", "weight": 1}}}, fallbacks=["far"]),
            "next": model([canary]),
            "alone": model(["http://127.0.0.1:9"], fallbacks=["next"]),
            "far": model([cloud], upstream={"boundary": "cloud"}),
        }
        with start_gateway(tmp_path, routed(models), "--contained", str(file)) as gateway:

            def served(asked: str = "ok") -> tuple[int, int, int]:
                before = [len(engine.calls) for engine in (own, canary, cloud)]
                gateway.request(body=chat(asked))
                after = [len(engine.calls) for engine in (own, canary, cloud)]
                first, second, third = (now - then for now, then in zip(after, before, strict=True))
                return first, second, third

            assert served() == (0, 1, 0)
            assert served("alone") == (0, 1, 0)
            write(file, routes=["ok/canary"])
            until(lambda: served() == (1, 0, 0))
            assert served("next") == (0, 1, 0), "a route is blocked, not the model behind it"
            write(file, models=["next"])
            until(lambda: served("next") == (0, 0, 0))
            assert served() == (1, 0, 0), "nor is it anybody's share"
            assert served("alone") == (0, 0, 0), "nor whoever serves instead"
            assert served("far") == (0, 0, 1)
            write(file, places=["cloud"])
            until(lambda: served("far") == (0, 0, 0))
            assert served() == (0, 1, 0)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"clients": "dev"}', '{"client": ["dev"]}', '{"clients": [""]}', '{"clients": [1]}']
)
def test_what_is_no_list_of_names_is_refused(tmp_path: Path, text: str) -> None:
    config = tmp_path / "gateway.json"
    config.write_text(json.dumps(configuration("http://127.0.0.1:9", tmp_path)))
    file = tmp_path / "contained.json"
    file.write_text(text)
    with pytest.raises(ConfigProblem) as refused:
        load_config(config, None, file)
    assert "python -m infra contain" in str(refused.value)
    assert load_config(config, None, tmp_path / "none.json").contained.clients == ()


def test_the_command_and_the_gateway_know_the_same_kinds() -> None:
    assert WRITTEN_KINDS == KINDS

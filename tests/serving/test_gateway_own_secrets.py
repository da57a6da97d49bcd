"""The gateway's own secrets in a folder that a driver mounts: what is rotated there is used by the next request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.serving.gateway_process import chat, start_gateway, wait_until
from tests.serving.test_gateway_client_keys import mounted
from tests.serving.test_gateway_traces import Collector, traced
from tests.serving.upstream import FakeEngine


def test_what_is_rotated_in_the_folder_is_used_from_then_on(tmp_path: Path) -> None:
    with FakeEngine() as engine, Collector() as collector:
        secrets = mounted(tmp_path / "secrets", "1", {"collector": "Bearer first\n", "engine": "engine-first\n"})
        config: Any = traced(engine, tmp_path, collector.url, authorization_file=str(secrets / "collector"))
        config["models"]["ok"]["upstreams"][0]["key_file"] = str(secrets / "engine")
        with start_gateway(tmp_path, config, "--secrets", str(secrets), "--watch-seconds", "0.2") as gateway:
            assert gateway.request(body=chat("ok")).status == 200
            assert engine.of("ok")[-1].headers["authorization"] == "Bearer engine-first"
            wait_until("a span", lambda: bool(collector.headers), 10)
            assert collector.headers[-1]["authorization"] == "Bearer first"
            mounted(secrets, "2", {"collector": "Bearer next\n", "engine": "engine-next\n"})
            assert gateway.notified().startswith("reloaded ")
            seen = len(collector.headers)
            assert gateway.request(body=chat("ok")).status == 200
            assert engine.of("ok")[-1].headers["authorization"] == "Bearer engine-next"
            wait_until("one more", lambda: len(collector.headers) > seen, 10)
            assert collector.headers[-1]["authorization"] == "Bearer next"
            mounted(secrets, "3", {"collector": "Bearer next\n"})
            assert gateway.notified().startswith("refused "), "what is gone is no reason to stop"
            assert gateway.request(body=chat("ok")).status == 200
            assert engine.of("ok")[-1].headers["authorization"] == "Bearer engine-next"
            assert "engine-next" not in str(gateway.log())

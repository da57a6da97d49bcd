"""Experiment 22: 100 reloads under load, then a bad configuration. Pass: nothing is dropped, the bad one is refused and
the old one kept."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.faults.test_12_large_body import memory
from tests.serving.gateway_process import chat, configuration, raw_request, read_until, start_gateway
from tests.serving.test_gateway_life import Load
from tests.serving.upstream import FakeEngine


@pytest.mark.timeout(300)
def test_reloads_drop_nothing(engine: FakeEngine, tmp_path: Path, times: Times) -> None:
    number = times(100)
    config = configuration(engine.url, tmp_path)
    file = tmp_path / "gateway.json"
    with start_gateway(tmp_path, config) as gateway, Load(gateway.port, 6).running() as load, gateway.connect() as raw:
        raw.sendall(raw_request(chat("long", stream=True)))
        read_until(raw, b"w0 ")
        settled = 0
        for turn in range(number):
            config["clients"]["narrow"]["requests_per_minute"] = 1000 + turn
            text = json.dumps(config)
            file.write_text(text)
            gateway.hang_up()
            assert gateway.notified() == f"reloaded {hashlib.sha256(text.encode()).hexdigest()}"
            if turn == number // 2:
                settled = memory(gateway, "VmRSS")
        assert memory(gateway, "VmRSS") - settled < 16 * 1024 * 1024
        for bad in ("{", "", json.dumps({**config, "surprise": 1}), json.dumps({**config, "models": {}})):
            file.write_text(bad)
            gateway.hang_up()
            assert gateway.notified().startswith(f"refused {file}: ")
        assert gateway.request(body=chat("ok")).status == 200
        read_until(raw, b"[DONE]")
        time.sleep(0.2)
        assert gateway.metric('slipway_gateway_config_reloads_total{result="done"}') == number
    assert load.failed == []
    assert load.done > number

"""Fault experiment 8: DNS fails for a minute. Known replicas go on serving."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Times
from tests.serving.gateway_process import start_gateway, wait_until
from tests.serving.routed import ask, configuration, model, replicas
from tests.serving.test_gateway_discovery import RESOLVER, engines_on


@pytest.mark.parametrize("how", ["error", "empty", "silent"])
def test_08_dns_failing_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: Times, how: str
) -> None:
    seconds = times(60, 4, "seconds of failing DNS")
    names = tmp_path / "addresses"
    names.write_text("127.0.0.1\n127.0.0.2")
    monkeypatch.setenv("ADDRESSES", str(names))
    with engines_on("127.0.0.1", "127.0.0.2") as (port, engines):
        upstream = {"discover": {"kind": "dns", "every_seconds": 0.3}}
        config = configuration({"m": model([f"http://engines.test:{port}"], upstream=upstream)})
        with start_gateway(tmp_path, config, program=RESOLVER) as gateway:
            wait_until("known", lambda: replicas(gateway)["trusted"] == 2)
            if how == "error":
                names.unlink()
            else:
                names.write_text("" if how == "empty" else "slow")
            end = time.monotonic() + seconds
            asked = failures = 0
            while time.monotonic() < end:
                failures += ask(gateway).status != 200
                asked += 1
                time.sleep(0.02)
            assert failures == 0
            assert asked > seconds
            assert all(len(engine.calls) > asked * 0.4 for engine in engines.values())

"""`ready` on the notify descriptor: said once /ready would say the same, and never held up for long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.serving.gateway_process import configuration, start_gateway
from tests.serving.upstream import FakeEngine


@pytest.mark.parametrize(("pause", "status"), [(0.5, 200), (30.0, 503)], ids=["slow", "hung"])
def test_who_is_told_that_it_is_ready_hears_the_same_from_readiness(tmp_path: Path, pause: float, status: int) -> None:
    """Its engines have been asked by then; one that hangs delays the word by a few seconds only."""
    with FakeEngine() as engine:
        engine.health_pause = pause
        began = time.monotonic()
        with start_gateway(tmp_path, configuration(engine.url, tmp_path)) as gateway:
            assert gateway.request("GET", "/ready", port=gateway.operations).status == status
            assert time.monotonic() - began < 8

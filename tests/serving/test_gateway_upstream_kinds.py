"""Upstreams of other kinds than our engines: an OpenAI-compatible cloud, and another gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.gateway_process import ENGINE_KEY, KEY, start_gateway
from tests.serving.routed import ask, configuration, model, settle
from tests.serving.upstream import FakeEngine


@pytest.fixture
def engines() -> Iterator[list[FakeEngine]]:
    with FakeEngine() as one:
        yield [one]


def test_clouds_get_their_key_and_name_and_are_not_probed(engines: list[FakeEngine], tmp_path: Path) -> None:
    key_file = tmp_path / "cloud.key"
    key_file.write_text(ENGINE_KEY)
    upstream = {"kind": "openai", "key_file": str(key_file), "model": "vendor-large", "boundary": "vendor"}
    with start_gateway(tmp_path, configuration({"m": model([engines[0]], upstream=upstream)})) as gateway:
        assert gateway.request("GET", "/ready", port=gateway.operations, key=None).status == 200
        answer = ask(gateway)
        assert answer.headers["x-slipway-boundary"] == "vendor"
        call = engines[0].calls[-1]
        assert call.headers["authorization"] == f"Bearer {ENGINE_KEY}"
        assert call.body["model"] == "vendor-large"
        time.sleep(1.2)
        assert engines[0].health_headers == []


def test_two_gateways_in_a_row_keep_the_request_id(engines: list[FakeEngine], tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "far").mkdir()
    key_file = tmp_path / "site.key"
    key_file.write_text(KEY)
    with start_gateway(tmp_path / "far", configuration({"m": model([engines[0]])})) as far:
        upstream = {"kind": "slipway", "key_file": str(key_file), "boundary": "site-b"}
        config = configuration({"m": model([f"http://127.0.0.1:{far.port}"], upstream=upstream)})
        with start_gateway(tmp_path / "near", config) as near:
            settle(near, 1)
            answer = ask(near, headers={"X-Request-Id": "across-1"}, stream=True)
            assert answer.headers["x-request-id"] == "across-1"
            assert answer.headers["x-slipway-boundary"] == "site-b"
            assert answer.body.endswith(b"data: [DONE]\n\n")
        assert engines[0].calls[-1].headers["x-request-id"] == "across-1"

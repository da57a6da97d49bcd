"""GET /scaling/MODEL on the operations listener: who may read it."""

from __future__ import annotations

from pathlib import Path

from tests.serving.gateway_process import KEY, start_gateway
from tests.serving.routed import configuration, model, scaling


def test_the_scaling_signal_may_need_a_key(tmp_path: Path) -> None:
    key_file = tmp_path / "scaling.key"
    key_file.write_text("scaling-canary")
    config = configuration({"m": model(["http://127.0.0.1:9"])}, top={"scaling": {"key_file": str(key_file)}})
    with start_gateway(tmp_path, config) as gateway:
        for key in (None, "wrong", KEY):
            answer = gateway.request("GET", "/scaling/m", port=gateway.operations, key=key)
            assert answer.status == 401
            assert b"scaling-canary" not in answer.body
        assert scaling(gateway, "m", "scaling-canary")["total"] == 0
        unknown = gateway.request("GET", "/scaling/nope", port=gateway.operations, key="scaling-canary")
        assert unknown.status == 404
        assert gateway.request("GET", "/scaling/m", key=KEY).status == 404  # not on the public listener

"""Configurations for tests of routing and waiting: models with several engines, clients of several kinds."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from tests.serving.gateway_process import KEY, NARROW_KEY, OLD_KEY, Answer, GatewayProcess, chat, sha, wait_until
from tests.serving.upstream import FakeEngine

RESTRICTED_KEY = OLD_KEY
OTHER_KEY = NARROW_KEY


def model(engines: Iterable[FakeEngine | str], **fields: Any) -> dict[str, Any]:
    """One model; `upstream` among the fields is merged into each of its upstreams."""
    upstream = fields.pop("upstream", {})
    return {
        "upstreams": [
            {"url": engine if isinstance(engine, str) else engine.url, "key_file": None, **upstream}
            for engine in engines
        ],
        "context_tokens": 64,
        "max_output_tokens": 32,
        "endpoints": ["chat_completions", "completions"],
        "longest_generation_seconds": 20,
        **fields,
    }


def configuration(models: dict[str, dict[str, Any]], *, top: dict[str, Any] | None = None, **limits: Any) -> Any:
    """Three clients that may use every model: dev, second, and restricted (data class of that name)."""
    names = sorted(models)
    return {
        "version": 1,
        "models": models,
        "clients": {
            "dev": {"key_sha256": [sha(KEY)], "models": names, "requests_per_minute": None},
            "second": {"key_sha256": [sha(OTHER_KEY)], "models": names, "requests_per_minute": None, "priority": 0},
            "restricted": {
                "key_sha256": [sha(RESTRICTED_KEY)],
                "models": names,
                "requests_per_minute": None,
                "data_class": "restricted",
            },
        },
        "limits": {
            "body_bytes": 65536,
            "messages": 16,
            "choices": 4,
            "connect_seconds": 2,
            "keep_alive_seconds": 30,
            "first_byte_seconds": 1,
            "stream_idle_seconds": 1,
            **limits,
        },
        **(top or {}),
    }


def reload(gateway: GatewayProcess, folder: Any, config: Any) -> str:
    """Write `config` and have it read."""
    (folder / "gateway.json").write_text(json.dumps(config))
    gateway.hang_up()
    return gateway.notified()


def in_background(work: Callable[[], Answer]) -> tuple[threading.Thread, list[Answer]]:
    """Start a request; its answer is in the list once the thread is joined."""
    answers: list[Answer] = []

    def run() -> None:
        # A test may end its gateway while the request still hangs.
        with contextlib.suppress(OSError, http.client.HTTPException):
            answers.append(work())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, answers


def scaling(gateway: GatewayProcess, name: str, key: str | None = None) -> dict[str, Any]:
    answer = gateway.request("GET", f"/scaling/{name}", port=gateway.operations, key=key)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def settle(gateway: GatewayProcess, ready: int, name: str = "m") -> None:
    """Wait until the first probes are in: `ready` replicas are trusted."""
    wait_until("probes", lambda: replicas(gateway, name)["trusted"] == ready and not unprobed(gateway), 8)


def unprobed(gateway: GatewayProcess) -> bool:
    """Of any model: with some of them unreachable a gateway is ready, but says so."""
    answer = gateway.request("GET", "/ready", port=gateway.operations, key=None)
    return json.loads(answer.body)["status"] != "ready"


def replicas(gateway: GatewayProcess, name: str = "m") -> dict[str, float]:
    """Replicas of one model by state."""
    text = gateway.request("GET", "/metrics", port=gateway.operations).body.decode()
    mark = f'slipway_gateway_replicas{{model="{name}",state="'
    lines = [line.removeprefix(mark) for line in text.splitlines() if line.startswith(mark)]
    return {line.partition('"')[0]: float(line.rpartition(" ")[2]) for line in lines}


def ask(gateway: GatewayProcess, name: str = "m", key: str = KEY, **fields: Any) -> Answer:
    headers = fields.pop("headers", None)
    return gateway.request(body=chat(name, **fields), key=key, headers=headers)

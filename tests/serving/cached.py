"""Configurations with a cache, and what tests of it ask: was it answered by an engine, or from what was kept?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.serving.gateway_process import Answer, GatewayProcess
from tests.serving.limited import key_of, limited
from tests.serving.upstream import FakeEngine

CHAT = "/v1/chat/completions"


def cached(engine_url: str, folder: Path, clients: dict[str, dict[str, Any]], **cache: Any) -> dict[str, Any]:
    """`clients` all ask for the cache; `cache` is its part of the file."""
    names = {name: {"cache": True, **fields} for name, fields in clients.items()}
    document = limited(engine_url, folder, names)
    return {**document, "cache": cache} if cache else document


def question(text: str, model: str = "ok", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "messages": messages, "max_tokens": 5, "temperature": 0, **fields}


def ask(
    gateway: GatewayProcess, client: str, body: dict[str, Any], wish: str | None = None, path: str = CHAT
) -> Answer:
    headers = None if wish is None else {"X-Slipway-Cache": wish}
    return gateway.request("POST", path, body, key_of(client), headers)


def result(answer: Answer) -> str | None:
    """`hit`, `miss`, or None where no cache was asked."""
    return answer.headers["x-slipway-cache"]


class Asked:
    """How many calls reached an engine since this was made."""

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self._before = len(engine.calls)

    @property
    def calls(self) -> int:
        return len(self._engine.calls) - self._before

"""Configurations with quotas, and what tests of quotas ask of a gateway again and again."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from tests.serving.gateway_process import Answer, GatewayProcess, configuration, sha

MODELS = ["ok", "long", "e503", "dead", "slow", "cut", "embed", "nohdr"]


def key_of(client: str) -> str:
    return f"sk-{client}-canary"


def limited(engine_url: str, folder: Path, clients: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """`clients` maps names to their quotas."""
    document = configuration(engine_url, folder, first_byte_seconds=10, stream_idle_seconds=10)
    for name, quota in clients.items():
        document["clients"][name] = {
            "key_sha256": [sha(key_of(name))],
            "models": MODELS,
            "requests_per_minute": None,
            **quota,
        }
    return {**document, **more}


def priced(document: dict[str, Any], dollars: float) -> dict[str, Any]:
    for model in document["models"].values():
        model["price"] = {"input_dollars_per_million_tokens": dollars, "output_dollars_per_million_tokens": dollars}
    return document


def chat_body(model: str = "ok", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5, **fields}


def ask_as(gateway: GatewayProcess, client: str, model: str = "ok", **fields: Any) -> Answer:
    return gateway.request(body=chat_body(model, **fields), key=key_of(client))


def until_refused(gateway: GatewayProcess, client: str, at_most: int, **fields: Any) -> tuple[int, Answer]:
    """How many requests got an answer before the first that did not, and that one."""
    for count in range(at_most):
        answer = ask_as(gateway, client, **fields)
        if answer.status != 200:
            return count, answer
    raise AssertionError(f"{at_most} requests and none refused")


def remaining(gateway: GatewayProcess, client: str) -> int:
    """Tokens left before a request that holds some, as its answer's header says, plus what it held."""
    answer = ask_as(gateway, client, max_tokens=1)
    assert answer.status == 200, answer.body
    return int(answer.headers["x-ratelimit-remaining-tokens"])


def stream(port: int, path: str, body: dict[str, Any], key: str) -> tuple[int, bytes]:
    """A whole stream's bytes, with chunked coding undone."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()

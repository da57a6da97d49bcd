"""The smallest request that an engine has to work for: /health says that a process lives, not that it generates."""

from __future__ import annotations

import orjson

from serving.gateway.routing.replica import Replica


def one_token(
    endpoints: frozenset[str], replica: Replica, pool: str, request_id: str
) -> tuple[str, dict[str, str], bytes]:
    """Where it goes, with which headers, and its body: one token, or where a model generates none, one embedding."""
    body: dict[str, object] = {"model": replica.model or pool, "max_tokens": 1}
    if "chat_completions" in endpoints:
        endpoint = "chat_completions"
        body["messages"] = [{"role": "user", "content": "."}]
    elif "completions" in endpoints:
        endpoint = "completions"
        body["prompt"] = "."
    else:
        endpoint = "embeddings"
        body = {"model": body["model"], "input": "."}
    headers = {"Content-Type": "application/json", "X-Request-Id": request_id}
    if replica.authorization is not None:
        headers["Authorization"] = replica.authorization
    return replica.urls[endpoint], headers, orjson.dumps(body)

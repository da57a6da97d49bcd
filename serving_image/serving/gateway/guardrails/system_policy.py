"""Puts a client's system policy in front of its prompts.

In a chat it becomes the beginning of the first system message, or one of its own: many chat templates refuse a second
system message. Prompts of text completions begin with it and an empty line. Embeddings stay as they are.

The client does not see it, but it can ask the model to repeat what it was told. So it holds no secret.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
import orjson

from serving.gateway.context import RequestContext
from serving.gateway.guardrails.refusals import refuse

# By these an engine would send the prompt back, or leave the policy out of it.
_REVEALING = ("echo", "prompt_logprobs", "return_token_ids", "chat_template")
_SYSTEM = ("system", "developer")

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def state_policy(context: RequestContext, policy: str) -> None:
    """Change `context.document` and `context.body`; the values of all other fields keep their very bytes."""
    document = context.document
    if context.endpoint == "embeddings":
        return
    if any(document.get(name) is not None and document[name] is not False for name in _REVEALING):
        raise refuse(context, "system_policy")
    field = "messages" if context.endpoint == "chat_completions" else "prompt"
    document[field] = (
        _with_policy(document[field], policy) if field == "messages" else _prompts(document[field], policy)
    )
    fields = _decode(context.body)
    fields[field] = msgspec.Raw(orjson.dumps(document[field]))
    context.body = _encode(fields)


def _with_policy(messages: list[dict[str, Any]], policy: str) -> list[dict[str, Any]]:
    first = messages[0]
    if first.get("role") in _SYSTEM:
        content = first.get("content")
        if type(content) is str:
            return [{**first, "content": f"{policy}\n\n{content}"}, *messages[1:]]
        if type(content) is list:
            parts = cast("list[Any]", content)
            return [{**first, "content": [{"type": "text", "text": policy}, *parts]}, *messages[1:]]
    return [{"role": "system", "content": policy}, *messages]


def _prompts(prompt: Any, policy: str) -> str | list[str]:
    return f"{policy}\n\n{prompt}" if type(prompt) is str else [f"{policy}\n\n{one}" for one in prompt]

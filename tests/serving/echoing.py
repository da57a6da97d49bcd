"""Behaviours of the fake engine that say back what they were asked, in pieces cut anywhere: what privacy tests need."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.serving import upstream
from tests.serving.gateway_process import configuration, sha

MODELS = ("echo", "echoslow", "echotool", "echocut", "echobroken", "leak")
LEAKED = "ada@example.org"
KEYS = {
    mode: f"sk-{mode}-canary" for mode in ("tokenise", "mask", "block", "scan", "scanblock", "mixed", "named", "tight")
}


def prompt_of(call: upstream.Call) -> str:
    """Everything that was asked, as one text."""
    if "messages" in call.body:
        contents = [message.get("content") or "" for message in call.body["messages"]]
        return "|".join(content if isinstance(content, str) else json.dumps(content) for content in contents)
    prompt: Any = call.body["prompt"]
    return prompt if isinstance(prompt, str) else "|".join(prompt)


def _answer(call: upstream.Call, **message: Any) -> dict[str, Any]:
    choices = [
        {
            "index": index,
            "finish_reason": "stop",
            "text": message.get("content"),
            "message": {"role": "assistant", **message},
        }
        for index in range(call.body.get("n") or 1)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": call.model,
        "choices": choices,
        "usage": usage,
    }


def _events(call: upstream.Call, field: str, text: str, step: int = 3) -> bytes:
    """The text three characters at a time, for every choice in turn."""
    out: list[bytes] = []
    for start in range(0, len(text), step):
        for index in range(call.body.get("n") or 1):
            piece = text[start : start + step]
            delta: dict[str, Any] = {"content": piece}
            if field == "arguments":
                delta = {"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"arguments": piece}}]}
                if start == 0:
                    delta["tool_calls"][0]["function"]["name"] = "send"
            choice = {"index": index, "delta": delta, "text": piece, "finish_reason": None}
            out.append(b"data: " + _chunk(call, choice) + b"\n\n")
    for index in range(call.body.get("n") or 1):
        out.append(
            b"data: " + _chunk(call, {"index": index, "delta": {}, "text": "", "finish_reason": "stop"}) + b"\n\n"
        )
    return b"".join(out)


def _chunk(call: upstream.Call, choice: dict[str, Any]) -> bytes:
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": call.model, "choices": [choice]}
    return json.dumps(chunk).encode()


async def _stream(connection: Any, call: upstream.Call, data: bytes, step: int, pause: float = 0.0) -> None:
    connection.head()
    for start in range(0, len(data), step):
        connection.chunk(data[start : start + step])
        await asyncio.sleep(pause)


async def _echo(connection: Any, call: upstream.Call) -> None:
    text = prompt_of(call)
    if not call.body.get("stream"):
        connection.whole(200, json.dumps(_answer(call, content=text, reasoning_content=text)).encode())
        return
    await _stream(connection, call, _events(call, "content", text) + b"data: [DONE]\n\n", 97)
    connection.transport.write(b"0\r\n\r\n")
    call.finished = True


async def _echoslow(connection: Any, call: upstream.Call) -> None:
    await _stream(connection, call, _events(call, "content", prompt_of(call)) + b"data: [DONE]\n\n", 61, 0.01)
    connection.transport.write(b"0\r\n\r\n")
    call.finished = True


async def _echotool(connection: Any, call: upstream.Call) -> None:
    arguments = json.dumps({"text": prompt_of(call)})
    if not call.body.get("stream"):
        calls = [{"id": "t", "type": "function", "function": {"name": "send", "arguments": arguments}}]
        connection.whole(200, json.dumps(_answer(call, content=None, tool_calls=calls)).encode())
        return
    await _stream(connection, call, _events(call, "arguments", arguments) + b"data: [DONE]\n\n", 97)
    connection.transport.write(b"0\r\n\r\n")


async def _echocut(connection: Any, call: upstream.Call) -> None:
    """Half of the events, and then nothing more."""
    data = _events(call, "content", prompt_of(call))
    await _stream(connection, call, data[: len(data) // 2], 97)
    connection.transport.close()


async def _echobroken(connection: Any, call: upstream.Call) -> None:
    if not call.body.get("stream"):
        connection.whole(200, b'{"choices": [')
        return
    frames = _events(call, "content", prompt_of(call)).split(b"\n\n")[:12]
    await _stream(connection, call, b"\n\n".join([*frames, b"data: []", b""]), 97, 0.005)
    await asyncio.sleep(5)


async def _leak(connection: Any, call: upstream.Call) -> None:
    text = f"Write to {LEAKED} or to {prompt_of(call)} at once."
    if not call.body.get("stream"):
        connection.whole(200, json.dumps(_answer(call, content=text)).encode())
        return
    await _stream(connection, call, _events(call, "content", text) + b"data: [DONE]\n\n", 97)
    connection.transport.write(b"0\r\n\r\n")


upstream._BEHAVIOURS.update(
    echo=_echo, echoslow=_echoslow, echotool=_echotool, echocut=_echocut, echobroken=_echobroken, leak=_leak
)


def private_configuration(engine_url: str, folder: Any, **privacy: Any) -> dict[str, Any]:
    """A configuration with the echoing models and a client for every mode. `privacy`: the top-level part."""
    config = configuration(engine_url, folder, body_bytes=4_000_000)
    model = {**config["models"]["ok"], "context_tokens": 100_000, "endpoints": ["chat_completions", "completions"]}
    config["models"] |= {name: dict(model) for name in MODELS}
    cloud = {**model["upstreams"][0], "boundary": "cloud"}
    config["models"]["cloud"] = {**model, "upstreams": [cloud]}
    config["models"]["either"] = {**model, "fallbacks": ["cloud"]}
    rules: dict[str, Any] = {
        "tokenise": {"mode": "tokenise"},
        "mask": {"mode": "mask"},
        "block": {"mode": "block"},
        "scan": {"scan_output": "mask", "mode": "tokenise"},
        "scanblock": {"scan_output": "block"},
        "mixed": {
            "mode": "tokenise",
            "kinds": {"card": "block", "ip": "off"},
            "boundaries": {"cloud": {"mode": "mask", "kinds": {"email": "block"}}},
            "media": "allow",
        },
        "named": {"mode": "tokenise"},
    }
    models = [*MODELS, "ok", "embed", "cloud", "either", "e400"]
    config["clients"] |= {
        name: {"key_sha256": [sha(KEYS[name])], "models": models, "requests_per_minute": None, "privacy": rule}
        for name, rule in rules.items()
    }
    if privacy:
        config["privacy"] = privacy
    return config

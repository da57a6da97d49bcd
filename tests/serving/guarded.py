"""What tests of guardrails share: clients with a set of rules each, an own class as hook, a model that judges texts."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.serving.echoing import private_configuration
from tests.serving.gateway_process import Answer, GatewayProcess, sha

CANARY = "guard-canary-7731"
POLICY = "policy-canary-5512: be brief."

HOOK = """
import asyncio


class Rules:
    async def before(self, request):
        return await self.judge("B", request.text)

    async def after(self, request, answer):
        return await self.judge("A", answer.text)

    async def judge(self, place, text):
        if place + "-BAD" in text:
            return "names/person"
        if place + "-ODD" in text:
            return "quotes: " + text
        if place + "-SLOW" in text:
            await asyncio.sleep(30)
        if place + "-SLEEP" in text:
            await asyncio.sleep(1.3)
        if place + "-RAISE" in text:
            raise ValueError(text)
        if place + "-TYPE" in text:
            return 3
        if place + "-CANCEL" in text:
            raise asyncio.CancelledError(text)
        return None


class Blocking:
    def before(self, request):
        return None


class Arguments:
    async def before(self, request, answer):
        return None


class Raising:
    def __init__(self):
        raise RuntimeError("cannot be made")
"""


def key_of(client: str) -> str:
    return f"sk-{client}-guarded-canary"


def guarded_configuration(engine_url: str, folder: Path, sets: dict[str, Any], **clients: Any) -> dict[str, Any]:
    """A configuration with the echoing models, `sets`, and a client for every set beside those given."""
    config = private_configuration(engine_url, folder)
    models = sorted(config["models"])
    everybody = {**{name: {"guardrails": name} for name in sets}, **clients}
    config["clients"] |= {
        name: {"key_sha256": [sha(key_of(name))], "models": models, "requests_per_minute": None, **fields}
        for name, fields in everybody.items()
    }
    config["clients"]["dev"]["models"] = models
    config["guardrails"] = sets
    return config


def ask(gateway: GatewayProcess, client: str, body: dict[str, Any], path: str = "/v1/chat/completions") -> Answer:
    return gateway.request(body=body, key=key_of(client), path=path)


def user(text: Any, model: str = "echo", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def said(answer: Answer) -> str:
    """The text of a good answer, streamed or not."""
    assert answer.status == 200, answer.body
    if not answer.body.startswith(b"{"):
        events = [line[6:] for line in answer.body.split(b"\n") if line.startswith(b"data: {")]
        choices = [choice for event in events for choice in json.loads(event)["choices"]]
        return "".join(choice["delta"].get("content", "") for choice in choices)
    return json.loads(answer.body)["choices"][0]["message"]["content"]


def outcome(answer: Answer) -> tuple[int, str]:
    """Status and code; (200, "") for a good one."""
    return answer.status, "" if answer.status == 200 else answer.error["code"]


class Judge(http.server.BaseHTTPRequestHandler):
    """A model that judges texts, in both styles; words in the text say how it behaves."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[dict[str, Any]]] = []
    keys: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        self.keys.append(self.headers["authorization"])
        last = body["input"] if "input" in body else body["messages"][-1]["content"]
        bad = "J-BAD" in last
        if "J-SLOW" in last:
            time.sleep(1.5)
        answer: Any = {"results": [{"flagged": bad, "categories": {"violence": bad, "hate": False}}]}
        if "messages" in body:
            verdict = "\n\nunsafe\nS1,S10" if bad else "\n\nsafe"
            verdict = "I think it is safe" if "J-CHATTY" in last else verdict
            answer = {"choices": [{"message": {"role": "assistant", "content": verdict}}]}
        if "J-EMPTY" in last:
            answer = {"results": [], "choices": []}
        if "J-HUGE" in last:
            answer["x"] = "y" * 100_000
        data = b"nonsense" if "J-NONSENSE" in last else json.dumps(answer).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(500 if "J-FAIL" in last else 307 if "J-MOVED" in last else 200)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def judging() -> Iterator[str]:
    """The URL of a running judge, without a path."""
    Judge.asked, Judge.keys = [], []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(5)

"""An engine that answers what it is asked by a rule, streamed, and counts a prompt's tokens: two a word, and five."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKENS_PER_WORD, TOKENS_AROUND = 2, 5


class Answering(ThreadingHTTPServer):
    """`pause_seconds` before the first token, `between_seconds` before each other one; `broken` ends streams halfway.
    `prompts` are what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pause_seconds = 0.0
        self.between_seconds = 0.0
        self.broken = False
        self.prompts: list[str] = []
        self.longest: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answering

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = asked["messages"][-1]["content"]
        self.server.prompts.append(prompt)
        self.server.longest.append(asked["max_tokens"])
        words = ("The capital of France is Paris." if "France" in prompt else " ".join(["word"] * 64)).split()
        words = words[: asked["max_tokens"]]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        time.sleep(self.server.pause_seconds)
        for index, word in enumerate(words):
            if index:
                time.sleep(self.server.between_seconds)
            if self.server.broken and index == len(words) // 2:
                self.close_connection = True
                return
            self._event({"choices": [{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        told = TOKENS_AROUND + TOKENS_PER_WORD * len(prompt.split())
        usage = {"prompt_tokens": told, "completion_tokens": len(words), "total_tokens": told + len(words)}
        self._event({"choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, event: dict[str, Any]) -> None:
        whole = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "chat", **event}
        self._chunk(b"data: " + json.dumps(whole).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


@contextmanager
def answering() -> Iterator[Answering]:
    """One that runs until the end of the block."""
    with Answering() as engine:
        thread = threading.Thread(target=engine.serve_forever, daemon=True)
        thread.start()
        yield engine
        engine.shutdown()
        thread.join(10)

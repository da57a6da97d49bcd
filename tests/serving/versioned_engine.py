"""Stands in for `llama-server` where versions are compared: its weights are JSON, and say what it answers.

`says` is its answer to every question, `next` what it would write next at every place of a text; `broken` lets it end
at once, as an engine does that cannot load its weights.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


WEIGHTS = json.loads(Path(option("--model")).read_text())
KEY = Path(option("--api-key-file")).read_text().strip()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._plain(200, {} if self.path == "/health" else {"error": "unknown"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers.get("authorization") != f"Bearer {KEY}" or body["model"] != option("--alias"):
            self._plain(401, {"error": {"code": "wrong"}})
        elif self.path == "/v1/completions":
            assert body["temperature"] == 0
            self._plain(200, {"choices": [{"text": WEIGHTS["next"]}]})
        else:
            events = [{"choices": [{"delta": {"content": WEIGHTS["says"]}}]}]
            content = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
            self._send(200, "text/event-stream", content)

    def _plain(self, status: int, content: object) -> None:
        self._send(status, "application/json", json.dumps(content))

    def _send(self, status: int, kind: str, content: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


if WEIGHTS.get("broken"):
    sys.exit("error: unknown tensor type")
ThreadingHTTPServer(("127.0.0.1", int(option("--port"))), Answer).serve_forever()

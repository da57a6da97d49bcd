"""APIs of Google on 127.0.0.1: answer on the wire what a test says, and know who was asked for what."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-nobody"
Answer = Mapping[str, Any] | Callable[[Mapping[str, list[str]]], Mapping[str, Any]]


class Refusal(Exception):
    """An answer that is an error of Google's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class GoogleApi:
    """`answers` are by `API/PATH`; what is not there, Google does not know either. `asked` are those that were asked
    for, in order, and `paid_by` the projects that were to pay for it."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers, self.asked, self.paid_by = dict(answers), list[str](), set[str]()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.answer(self)

            def log_message(self, *arguments: Any) -> None:
                del arguments

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}/{{api}}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> GoogleApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        asked = url.path.removeprefix("/")
        self.asked.append(asked)
        self.paid_by.add(request.headers["x-goog-user-project"])
        try:
            if request.headers["authorization"] != f"Bearer {TOKEN}":
                raise Refusal(401, "Request had invalid authentication credentials.")
            if asked not in self.answers:
                raise Refusal(404, f"The resource '{asked}' was not found")
            said = self.answers[asked]
            body: Any = said(parse_qs(url.query)) if callable(said) else said
            status = 200
        except Refusal as refusal:
            status, body = refusal.status, {"error": {"code": refusal.status, "message": refusal.message}}
        content = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


def refuse(status: int, message: str) -> Answer:
    """Whatever is asked."""

    def refused(query: Mapping[str, list[str]]) -> Mapping[str, Any]:
        raise Refusal(status, message)

    return refused

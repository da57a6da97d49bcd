"""A scripted HTTP server for what the audit sends away: an object store that checks signatures, an OTLP collector.

The signature is worked out again here from the bytes that arrived, by the published algorithm and not by our signer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote

_DIALECTS = {
    "AWS4-HMAC-SHA256": ("x-amz", "AWS4", "s3", "aws4_request"),
    "GOOG4-HMAC-SHA256": ("x-goog", "GOOG4", "storage", "goog4_request"),
}


class Collector:
    """`answers` are statuses given first, one per request; then 200."""

    def __init__(self, secret: str = "", address: str = "127.0.0.1", port: int = 0) -> None:
        self.answers: list[int] = []
        self.objects: dict[str, bytes] = {}
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.bad_signatures = 0
        self._secret = secret
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                collector._serve(self)

            def do_POST(self) -> None:
                collector._serve(self)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer((address, port), Handler)
        self.url = f"http://{address}:{self._server.server_port}"

    def __enter__(self) -> Collector:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def records(self) -> list[dict[str, Any]]:
        """All log records that were taken."""
        return [
            record
            for body in self.bodies
            for resource in json.loads(body)["resourceLogs"]
            for scope in resource["scopeLogs"]
            for record in scope["logRecords"]
        ]

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers["content-length"]))
        status = self.answers.pop(0) if self.answers else 200
        if self._secret and not self._is_signed(handler, headers, body):
            self.bad_signatures += 1
            status = 403
        if status == 200:
            self.headers.append(headers)
            if handler.command == "PUT":
                self.objects[handler.path] = body
            else:
                self.bodies.append(body)
        handler.send_response(status)
        handler.send_header("content-length", "0")
        handler.end_headers()

    def _is_signed(self, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes) -> bool:
        if headers["content-md5"] != base64.b64encode(hashlib.md5(body).digest()).decode():
            return False
        return is_signed(handler.command, handler.path, headers, body, self._secret)


def is_signed(command: str, target: str, headers: dict[str, str], body: bytes, secret: str) -> bool:
    """Whether whoever knows the secret sent exactly this. `headers` have lower-case names."""
    algorithm, _, rest = headers.get("authorization", "").partition(" ")
    if algorithm not in _DIALECTS:
        return False
    prefix, key_prefix, service, terminator = _DIALECTS[algorithm]
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    _, day, region, *_ = fields["Credential"].split("/")
    names = fields["SignedHeaders"].split(";")
    digest = hashlib.sha256(body).hexdigest()
    if headers[f"{prefix}-content-sha256"] != digest or "host" not in names:
        return False
    must = {name for name in headers if name.startswith(prefix)}
    if not must <= set(names):
        return False
    path, _, query = target.partition("?")
    asked = sorted(parse_qsl(query, keep_blank_values=True))
    sorted_query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in asked)
    canonical = f"{command}\n{path}\n{sorted_query}\n"
    canonical += "".join(f"{name}:{headers[name]}\n" for name in names) + f"\n{fields['SignedHeaders']}\n{digest}"
    scope = f"{day}/{region}/{service}/{terminator}"
    text = f"{algorithm}\n{headers[f'{prefix}-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = (key_prefix + secret).encode()
    for part in (day, region, service, terminator):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == fields["Signature"]

"""The admin listener's ASGI application: what the operator of this machine sees. Guards against DNS rebinding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import orjson

from serving.gateway.admin.page_files import PageFiles
from serving.gateway.admin.trial import PREFIX, Trial
from serving.gateway.answers import send_body, send_refusal
from serving.gateway.asgi import REQUEST_ID_HEADER, Header, Receive, Scope, Send
from serving.gateway.context import next_request_id
from serving.gateway.refusal import Refusal, four_parts

# What is told is of this moment, and nothing of it belongs into a cache or into another site's frame. The page may load
# and ask nothing but this listener, and no text may become markup or a script in it.
HEADERS: list[Header] = [
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        b"trusted-types 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
Content = Callable[[], object]


class AdminApplication:
    """Serves `documents`, JSON by path, and the page. It has no keys: whoever reaches it is trusted, so it is bound to
    loopback.

    A browser on this machine can be made to reach it by any web page, under a name of that page's owner that
    resolves to 127.0.0.1. So only requests to one of `hosts` are answered, and none that another site started.
    """

    def __init__(self, hosts: Iterable[str], documents: Mapping[str, Content], page: PageFiles, trial: Trial) -> None:
        self._hosts = frozenset({"localhost", "127.0.0.1", "::1", *(host.lower() for host in hosts)})
        self._documents = documents
        self._page = page
        self._trial = trial

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        request_id = next_request_id()
        try:
            self._check_origin(scope["headers"])
            path: str = scope["path"]
            if scope["method"] == "POST" and path.startswith(PREFIX + "/"):
                await self._trial(scope, receive, send)
                return
            headers = [(REQUEST_ID_HEADER, request_id), *HEADERS]
            document, file = self._documents.get(path), self._page.get(path)
            if scope["method"] != "GET" or (document is None and file is None):
                raise _not_found([*self._documents, *self._page])
            if document is not None:
                await send_body(send, 200, orjson.dumps(document()), headers)
            elif file is not None:
                await send_body(send, 200, file[1], headers, file[0])
        except Refusal as refusal:
            await send_refusal(refusal, request_id, send, receive, -1, tuple(HEADERS))

    def _check_origin(self, headers: list[Header]) -> None:
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or _host_of(b"//" + hosts[0]) not in self._hosts:
            raise _forbidden("Host header", "another name", "localhost, 127.0.0.1, [::1] or a name of --admin-host")
        for name, value in headers:
            if name == b"origin" and _host_of(value) not in self._hosts:
                raise _forbidden("Origin header", "another site", "a page of this listener")


def _host_of(url: bytes) -> str | None:
    try:
        return urlsplit(url.decode("ascii")).hostname
    except ValueError:
        return None


def _forbidden(where: str, found: str, allowed: str) -> Refusal:
    message = four_parts(where, found, allowed, "Open the address that the gateway was started with.")
    return Refusal(403, "host_not_allowed", message, kind="permission_error")


def _not_found(documents: Iterable[str]) -> Refusal:
    allowed = "GET " + ", ".join(sorted(documents))
    return Refusal(404, "not_found", four_parts("path", "another request", allowed, "Check the URL."))

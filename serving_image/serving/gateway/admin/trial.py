"""POST /try/v1/...: the page's box to try a model. The request takes the public way, in process, with the key given."""

from __future__ import annotations

from serving.gateway.asgi import Application, Header, Message, Receive, Scope, Send
from serving.gateway.identity.config import is_loopback
from serving.gateway.refusal import Refusal, four_parts

PREFIX = "/try"
_PATHS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})
_PASSED_ON = frozenset({b"authorization", b"content-type", b"content-length", b"transfer-encoding"})


class Trial:
    """Hands a request to `public` as if it had come there: key, limits, privacy, audit and log are the same.

    It adds no authority: without a client's key the answer is 401. What it guards against is a page of another site
    that makes a browser send here what it could not send to the API itself.
    """

    def __init__(self, public: Application, headers: list[Header]) -> None:
        self._public = public
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check where it comes from, and pass it on. Raises Refusal."""
        self._check(scope)
        passed: Scope = {
            **{name: value for name, value in scope.items() if name != "slipway.exchange"},
            "path": scope["path"].removeprefix(PREFIX),
            "headers": [(name, value) for name, value in scope["headers"] if name in _PASSED_ON],
        }

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._public(passed, receive, send_guarded)

    def _check(self, scope: Scope) -> None:
        headers: list[Header] = scope["headers"]
        if scope["path"].removeprefix(PREFIX) not in _PATHS:
            raise _refused(404, "not_found", "path", "another path", "/try and a path of the API that generates")
        client = scope["client"]
        if client is None or not is_loopback(client[0]):
            found = "a key from another machine, which crossed a network in plain text"
            raise _refused(403, "not_on_loopback", "try", found, "a browser on this machine")
        if _values(headers, b"content-type") != [b"application/json"]:
            raise _refused(415, "invalid_content_type", "content-type", "another type", "application/json")
        # `same-origin` is the browser's own word; Origin, compared whole, is that of browsers without it.
        own = b"http://" + _values(headers, b"host")[0].lower()
        if _values(headers, b"origin") != [own] or _values(headers, b"sec-fetch-site") not in ([], [b"same-origin"]):
            raise _refused(403, "origin_not_allowed", "Origin header", "none or another", "a page of this listener")


def _values(headers: list[Header], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _refused(status: int, code: str, where: str, found: str, allowed: str) -> Refusal:
    message = four_parts(where, found, allowed, "Use the box on the page at /, or ask the API itself.")
    return Refusal(status, code, message)

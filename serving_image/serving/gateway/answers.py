"""Sends whole answers: JSON bodies, refusals, and the end of a body that was not read."""

from __future__ import annotations

import asyncio

from serving.gateway.asgi import REQUEST_ID_HEADER, Header, Message, Receive, Send
from serving.gateway.exchange import Exchange
from serving.gateway.refusal import Refusal

_JSON: Header = (b"content-type", b"application/json")
_CLOSE: Header = (b"connection", b"close")
# A client still sending when it is refused must get to read the answer: closing at once would reset the
# connection under it. So what it sends is thrown away for this long and this far before the connection goes.
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 16 * 1024 * 1024
# A body up to this size is probably here already: the connection can be kept.
_SMALL_BODY = 64 * 1024


def send_at_once(
    exchange: Exchange | None, status: int, body: bytes, headers: list[Header], content_type: Header = _JSON
) -> bool:
    """What `send_body` does, without waiting; False, and nothing done, where that cannot be."""
    if exchange is None:
        return False
    return exchange.answer(status, [content_type, (b"content-length", b"%d" % len(body)), *headers], body)


async def send_body(send: Send, status: int, body: bytes, headers: list[Header], content_type: Header = _JSON) -> None:
    """One answer with a content-length, in two ASGI messages."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [content_type, (b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_refusal(
    refusal: Refusal,
    request_id: bytes,
    send: Send,
    receive: Receive | None,
    content_length: int,
    more_headers: tuple[Header, ...] = (),
) -> None:
    """Answer with a refusal. `receive` is given while the request's body was not read to its end."""
    headers: list[Header] = [(REQUEST_ID_HEADER, request_id), *more_headers]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", refusal.retry_after))
    if refusal.allow is not None:
        headers.append((b"allow", refusal.allow))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    unread = receive is not None and (content_length < 0 or content_length > _SMALL_BODY)
    if not (refusal.close or unread) or receive is None:
        await send_body(send, refusal.status, refusal.body, headers)
        return
    headers += [_JSON, (b"content-length", b"%d" % len(refusal.body)), _CLOSE]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    # Complete by its content-length, but not ended: ending it closes the connection.
    await send({"type": "http.response.body", "body": refusal.body, "more_body": True})
    await _discard(receive)
    await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    seen = 0
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while seen < _LINGER_BYTES:
                message: Message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
                seen += len(message.get("body", b""))
    except TimeoutError:
        return

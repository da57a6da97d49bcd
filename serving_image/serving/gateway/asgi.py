"""The shapes of ASGI that the gateway uses, written down once so that every file means the same by them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
Header = tuple[bytes, bytes]

REQUEST_ID_HEADER = b"x-request-id"

"""What GET /refusals.json says: the last requests that did not end as asked. No text of a client or an engine."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.gateway.context import RequestContext

_KEPT = 50


class RefusalLog:
    """Bounded; what is older is in the log and in the audit."""

    def __init__(self) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def add(self, context: RequestContext) -> None:
        """One request, ended. `status` is what the client was told first: 200 where a stream was broken later."""
        self._kept.append(
            {
                "time": round(time.time(), 3),
                "status": context.status,
                "code": context.reason,
                "client": context.client.name if context.client else None,
                "model": context.model.name if context.model else None,
                "endpoint": context.endpoint,
                "request_id": context.request_id.decode("ascii"),
            }
        )

    def __call__(self) -> list[dict[str, Any]]:
        """The document, newest first."""
        return list(reversed(self._kept))

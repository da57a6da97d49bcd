"""The public listener's ASGI application: finds the endpoint, runs the steps, and closes the books on a request."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from serving.gateway import engine_errors
from serving.gateway.answers import send_body, send_refusal
from serving.gateway.asgi import REQUEST_ID_HEADER, Receive, Scope, Send
from serving.gateway.context import RequestContext
from serving.gateway.journal import Journal, describe
from serving.gateway.lifeline import Cause
from serving.gateway.metrics import Metrics
from serving.gateway.pipeline import ADMISSION, FINISHERS, GENERATION, run_steps
from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.relay import break_off, refuse_in_stream
from serving.gateway.state import GatewayState
from serving.gateway.upstream import UpstreamClient

if TYPE_CHECKING:
    from serving.gateway.admin.refusals import RefusalLog
    from serving.gateway.deep_health import DeepHealth

_GENERATING = {
    "/v1/chat/completions": "chat_completions",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
}
_MODELS = "/v1/models"
_DEEP = "/health/deep"
_CLIENT_GONE_STATUS = 499
"""nginx's convention in logs and metrics; never sent."""


class PublicApplication:
    """Serves clients. One instance per process."""

    # Set where there is an admin listener to show them.
    refusals: RefusalLog | None = None
    # Set by the process, which ends what it has begun.
    deep_health: DeepHealth | None = None

    def __init__(self, state: GatewayState, upstreams: UpstreamClient, metrics: Metrics, journal: Journal) -> None:
        self._state = state
        self._upstreams = upstreams
        self._metrics = metrics
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        context = RequestContext(scope, receive, send, self._state.policy, self._upstreams, time.monotonic())
        path: str = scope["path"]
        endpoint = _GENERATING.get(path)
        life = context.lifeline
        self._state.running.add(life)
        try:
            if endpoint is not None:
                context.endpoint = endpoint
                if scope["method"] != "POST":
                    raise _method_not_allowed(b"POST")
                await run_steps(GENERATION, context)
            else:
                await self._other(context, path)
        except Refusal as refusal:
            await self._refuse(context, refusal)
        except asyncio.CancelledError:
            if not life.absorb():
                raise
            await self._cut_short(context)
        except Exception as error:  # noqa: BLE001, RUF100 - the last net: a defect of ours must not leak a traceback
            self._journal.note("defect", "error", **describe(error))
            await self._refuse(context, _defect())
        finally:
            life.release()
            self._state.running.discard(life)
            duration = time.monotonic() - context.started_at
            for finish in FINISHERS:
                try:
                    finish(context, duration)
                except Exception as error:  # noqa: BLE001, RUF100 - a defect in one must not cost the audit its row
                    self._journal.note("defect", "error", **describe(error))
            self._metrics.finished(context, duration)
            if context.reason and self.refusals is not None:
                self.refusals.add(context)
            if context.endpoint not in ("health", "ready"):
                self._journal.request(context, duration)

    async def _other(self, context: RequestContext, path: str) -> None:
        deep = self.deep_health if path == _DEEP else None
        if deep is not None and not deep.offered:
            deep = None
        known = path in ("/health", "/ready", "/metrics", _MODELS) or path.startswith(_MODELS + "/")
        if deep is None and not known:
            raise _no_such_path("the paths under /v1 of OpenAI's API that this gateway offers", "Check the URL.")
        if path == "/metrics":
            raise _no_such_path("/metrics on the operations listener", "Ask there; it is not public.")
        if context.scope["method"] != "GET":
            raise _method_not_allowed(b"GET")
        if path in ("/health", "/ready"):
            context.endpoint = path[1:]
            context.status, body = self._state.health() if path == "/health" else self._state.readiness()
        elif deep is not None:
            context.endpoint = "health"
            context.status, body = await deep.answer()
        else:
            context.endpoint = "models"
            await run_steps(ADMISSION, context)
            context.status = 200
            body = self._models_body(context, path)
        context.answer_started = True
        await send_body(context.send, context.status, body, [(REQUEST_ID_HEADER, context.request_id)])

    def _models_body(self, context: RequestContext, path: str) -> bytes:
        assert context.client is not None
        if path == _MODELS:
            return context.client.models_body
        return context.policy.model_entry(context.client, path[len(_MODELS) + 1 :])

    async def _refuse(self, context: RequestContext, refusal: Refusal) -> None:
        context.lifeline.release()  # it must not cut the refusal short
        context.reason = refusal.reason
        if context.answer_started:
            break_off(context)
            return
        if context.head_sent:
            await refuse_in_stream(context, refusal)
            return
        context.status = refusal.status
        context.answer_started = True
        if refusal.status == _CLIENT_GONE_STATUS:
            return
        unread = context.receive if not context.body_read else None
        length, headers = context.content_length, context.limit_headers
        await send_refusal(refusal, context.request_id, context.send, unread, length, headers)

    async def _cut_short(self, context: RequestContext) -> None:
        """The lifeline ended the request outside of a running stream."""
        cause = context.lifeline.cause
        if cause is None or cause in (Cause.CLIENT_GONE, Cause.CLIENT_STALLED) or context.answer_started:
            context.reason = cause.value if cause else "unknown"
            if cause is not Cause.CLIENT_GONE:
                break_off(context)
            context.status = context.status or _CLIENT_GONE_STATUS
            return
        await self._refuse(context, engine_errors.too_late(cause))


def _no_such_path(allowed: str, remedy: str) -> Refusal:
    return Refusal(404, "not_found", four_parts("path", "a path that is not here", allowed, remedy))


def _method_not_allowed(allow: bytes) -> Refusal:
    message = four_parts("method", "another method", allow.decode(), "Use that method.")
    return Refusal(405, "method_not_allowed", message, allow=allow)


def _defect() -> Refusal:
    return Refusal(
        500,
        "internal_error",
        four_parts("gateway", "a defect of its own", "none", "Report the x-request-id to its operator."),
        kind="api_error",
    )

"""The operations listener's ASGI application: health, readiness and metrics, for the cluster only."""

from __future__ import annotations

from serving.gateway.answers import send_body, send_refusal
from serving.gateway.asgi import REQUEST_ID_HEADER, Receive, Scope, Send
from serving.gateway.context import next_request_id
from serving.gateway.metrics import CONTENT_TYPE, Metrics
from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.state import GatewayState


class OperationsApplication:
    """Serves probes and scrapers. It has no keys, so it must not be reachable from outside the cluster."""

    def __init__(self, state: GatewayState, metrics: Metrics) -> None:
        self._state = state
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        request_id = next_request_id()
        path: str = scope["path"]
        if scope["method"] != "GET" or path not in ("/health", "/ready", "/metrics"):
            message = four_parts(
                "path", "another request", "GET /health, /ready or /metrics", "The API is on the public listener."
            )
            await send_refusal(Refusal(404, "not_found", message), request_id, send, receive, 0)
            return
        headers = [(REQUEST_ID_HEADER, request_id)]
        if path == "/metrics":
            self._observe_models()
            await send_body(send, 200, self._metrics.render(), headers, (b"content-type", CONTENT_TYPE))
        else:
            status, body = self._state.health() if path == "/health" else self._state.readiness()
            await send_body(send, status, body, headers)

    def _observe_models(self) -> None:
        for name, model in self._state.policy.models.items():
            reachable = any(target.reachable for target in model.targets)
            self._metrics.reachable.labels(name).set(reachable)
            self._metrics.in_flight.labels(name).set(model.load.in_flight)
        self._metrics.draining.set(self._state.draining)

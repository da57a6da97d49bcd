"""The operations listener's ASGI application: health, readiness and metrics, for the cluster only."""

from __future__ import annotations

from serving.gateway.answers import send_body, send_refusal
from serving.gateway.asgi import REQUEST_ID_HEADER, Receive, Scope, Send
from serving.gateway.context import next_request_id
from serving.gateway.metrics import CONTENT_TYPE, Metrics
from serving.gateway.refusal import Refusal, four_parts
from serving.gateway.state import GatewayState
from serving.gateway.waiting.scaling import scaling_body

_SCALING = "/scaling/"


class OperationsApplication:
    """Serves probes and scrapers. It has no keys, so it must not be reachable from outside the cluster."""

    def __init__(self, state: GatewayState, metrics: Metrics) -> None:
        self._state = state
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        request_id = next_request_id()
        path: str = scope["path"]
        if scope["method"] == "GET" and path.startswith(_SCALING):
            await self._scaling(scope, receive, send, request_id, path[len(_SCALING) :])
            return
        if scope["method"] != "GET" or path not in ("/health", "/ready", "/metrics"):
            message = four_parts(
                "path",
                "another request",
                "GET /health, /ready, /metrics or /scaling/MODEL",
                "The API is on the public listener.",
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

    async def _scaling(self, scope: Scope, receive: Receive, send: Send, request_id: bytes, model: str) -> None:
        policy = self._state.policy
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        try:
            body = scaling_body(policy.pools, model, policy.ledger.fleet, policy.scaling_key, authorization)
        except Refusal as refusal:
            await send_refusal(refusal, request_id, send, receive, 0)
            return
        await send_body(send, 200, body, [(REQUEST_ID_HEADER, request_id)])

    def _observe_models(self) -> None:
        for name, model in self._state.policy.models.items():
            self._metrics.reachable.labels(name).set(model.destinations.pool.any_reachable)
            self._metrics.in_flight.labels(name).set(model.load.in_flight)
        self._metrics.draining.set(self._state.draining)

"""What GET /status.json says: the process and its models at this moment, without a name or number of any request."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any

from serving.gateway import VERSION
from serving.gateway.policy import Model
from serving.gateway.state import GatewayState
from serving.gateway.tls.certificates import Certificates


class StatusDocument:
    """Collects the status when it is asked for; nothing is kept up to date for it."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._started = time.time()
        self.certificates: Callable[[], Certificates | None] = lambda: None

    def __call__(self) -> dict[str, Any]:
        """The document."""
        state = self._state
        policy = state.policy
        return {
            "ready": state.readiness()[0] == 200,
            "draining": state.draining,
            "in_flight": len(state.running),
            "uptime_seconds": round(time.time() - self._started, 3),
            "config_sha256": policy.sha256,
            "config_loaded_at": policy.created,
            "clients": len(policy.clients),
            "models": {name: _model(model) for name, model in sorted(policy.models.items())},
            "issuers": self._issuers(),
            "tls": self._tls(),
            "versions": {"slipway": VERSION, "python": platform.python_version()},
        }

    def _issuers(self) -> dict[str, Any]:
        tokens = self._state.policy.tokens
        if tokens is None:
            return {}
        return {
            name: {"keys": len(keys.keys), "failures_since_last_reading": keys.failures}
            for name, keys in sorted(tokens.key_sets.items())
        }

    def _tls(self) -> dict[str, Any] | None:
        current = self.certificates()
        if current is None:
            return None
        return {"expires_at": int(current.expires_at), "weakenings": current.weakenings}


def _model(model: Model) -> dict[str, Any]:
    return {
        "in_flight": model.load.in_flight,
        "endpoints": sorted(model.endpoints),
        "engines": [
            {"url": replica.url, "reachable": replica.reachable} for replica in model.destinations.pool.replicas
        ],
    }

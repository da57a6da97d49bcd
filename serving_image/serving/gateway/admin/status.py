"""What GET /status.json says: the process and its models at this moment, without a name or number of any request."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any

import orjson

from serving.gateway import VERSION
from serving.gateway.audit.log import AuditLog
from serving.gateway.limits.ledger import Ledger
from serving.gateway.policy import Model
from serving.gateway.routing.metrics import condition
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
        status, readiness = state.readiness()
        return {
            "ready": status == 200,
            "not_ready_because": orjson.loads(readiness).get("reasons", []),
            "draining": state.draining,
            "in_flight": len(state.running),
            "uptime_seconds": round(time.time() - self._started, 3),
            "config_sha256": policy.sha256,
            "config_loaded_at": policy.created,
            "clients": len(policy.clients),
            "models": {name: _model(model, policy.ledger) for name, model in sorted(policy.models.items())},
            "audit": _audit(policy.audit),
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


def _model(model: Model, ledger: Ledger) -> dict[str, Any]:
    pool = model.destinations.pool
    queued, held = pool.waiting()
    overflow = model.destinations.overflow
    return {
        "in_flight": model.load.in_flight,
        "queued": queued,
        "held": held,
        "endpoints": sorted(model.endpoints),
        "engines": [
            {
                "url": replica.url,
                "boundary": replica.boundary,
                "reachable": replica.reachable,
                "state": condition(replica),
                "in_flight": replica.in_flight,
            }
            for replica in pool.replicas
        ],
        "overflow": None
        if overflow is None
        else {
            "to": sorted(overflow.there.boundaries),
            "because": overflow.measure(ledger),
            "went": sum(pool.counters.overflows.values()),
            "kept": dict(pool.counters.kept),
        },
    }


def _audit(log: AuditLog | None) -> dict[str, Any] | None:
    if log is None:
        return None
    writer = log.writer
    end = writer.end
    return {
        "available": writer.available and not log.held_by_object_store,
        "error": "object_store_behind" if log.held_by_object_store else writer.error,
        "rows_waiting": writer.unwritten(),
        "chain": writer.chain,
        "head": None
        if end is None
        else {"seq": end.number, "hash": end.hash, "segment": end.segment, "written_at": round(end.at, 3)},
    }

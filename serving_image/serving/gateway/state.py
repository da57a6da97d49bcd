"""What the whole process shares: the current policy, whether it drains, and what runs."""

from __future__ import annotations

import orjson

from serving.gateway.lifeline import Lifeline
from serving.gateway.policy import Policy


class GatewayState:
    """Swapped or flipped by signals, read by requests. A request keeps the policy it began with."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.draining = False
        self.running: set[Lifeline] = set()

    def health(self) -> tuple[int, bytes]:
        """The process lives; that says nothing about engines."""
        return 200, b'{"status":"ok"}'

    def readiness(self) -> tuple[int, bytes]:
        """Whether new requests should be sent here: status and JSON body with the reasons. A model that nobody serves
        must not take the others with it: with every gateway gone from a front door, nothing would be served."""
        unreachable = sorted(
            # One that may wait or be served elsewhere must stay in reach: its first request is what wakes it.
            name
            for name, pool in self.policy.pools.items()
            if not (pool.any_reachable or pool.stays_in_reach)
        )
        if not self.draining and not unreachable:
            return 200, b'{"status":"ready"}'
        reasons: list[str] = []
        if self.draining:
            reasons.append("draining: told to stop, finishing what runs")
        reasons += [f"model {name}: no engine answered its last health check with 200" for name in unreachable]
        serves = not self.draining and len(unreachable) < len(self.policy.pools)
        status = "degraded" if serves else "not_ready"
        body = {"status": status, "reasons": reasons, "config_sha256": self.policy.sha256}
        return 200 if serves else 503, orjson.dumps(body)

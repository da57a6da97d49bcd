"""GET /scaling/MODEL: how much work a model has, for an autoscaler. The fleet's total where gateways share counts."""

from __future__ import annotations

import hashlib
import hmac

import orjson

from serving.gateway.limits.fleet import Counts, Fleet
from serving.gateway.refusal import MODEL_NOT_FOUND, UNAUTHENTICATED
from serving.gateway.routing.pool import Pool


def work_of(pool: Pool) -> Counts:
    """This process's share."""
    queued, held = pool.waiting()
    return Counts(pool.running(), queued, held)


def scaling_body(
    pools: dict[str, Pool], model: str, fleet: Fleet, key: str | None, authorization: bytes | None
) -> bytes:
    """The answer's body. Raises 401 for a wrong key and 404 for a model that is not configured.

    `complete` is false while the shared store is away: `total` is then this process's share only, and an autoscaler
    that sees it should not scale down by it.
    """
    if key is not None:
        given = hashlib.sha256(authorization or b"").digest()
        if not hmac.compare_digest(given, hashlib.sha256(b"Bearer " + key.encode()).digest()):
            raise UNAUTHENTICATED
    pool = pools.get(model)
    if pool is None:
        raise MODEL_NOT_FOUND
    return orjson.dumps(
        {"model": model, **_fields(fleet.total(model)), "complete": fleet.complete, "process": _fields(work_of(pool))}
    )


def _fields(counts: Counts) -> dict[str, int]:
    total = counts.running + counts.queued + counts.held
    return {"running": counts.running, "queued": counts.queued, "held": counts.held, "total": total}

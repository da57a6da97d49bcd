"""Step: is the client within its requests per minute?"""

from __future__ import annotations

import time
from collections.abc import Awaitable

from serving.gateway.context import RequestContext
from serving.gateway.limits.headers import limit_headers
from serving.gateway.limits.ledger import Ledger
from serving.gateway.limits.meter import Meter
from serving.gateway.limits.refusals import over_limit, store_away
from serving.gateway.limits.store import EXCHANGES


def limit_requests(context: RequestContext) -> Awaitable[None] | None:
    """Count this request; 429 with Retry-After when it is one too many."""
    client = context.client
    meter = client.limits.requests if client is not None else None
    if meter is None:
        return None
    ledger = context.policy.ledger
    if ledger.store.leasing and not meter.take_leased(1):
        return _after_exchange(context, ledger, meter)
    _count(context, ledger, meter, taken=ledger.store.leasing)
    return None


async def _after_exchange(context: RequestContext, ledger: Ledger, meter: Meter) -> None:
    taken = False
    for _ in range(EXCHANGES):
        meter.ask(1)
        try:
            await ledger.store.exchange(meter.client)
        finally:
            meter.heard(1)
        store = ledger.store  # a reload may have changed it
        taken = store.leasing and meter.take_leased(1, asked=True)
        if taken or not store.leasing or meter.wait(1, time.monotonic(), leasing=True) > 1.0:
            break
    _count(context, ledger, meter, taken)


def _count(context: RequestContext, ledger: Ledger, meter: Meter, taken: bool) -> None:
    store = ledger.store
    if store.closed:
        raise store_away()
    now = time.monotonic()
    if not taken and (store.leasing or not meter.take_local(1, now)):
        context.limit_headers = limit_headers(meter, now, store.leasing)
        raise over_limit(meter, 1, now, store.leasing)
    if taken:
        meter.settle_leased(1, 1)
        store.active.add(meter.client)
    else:
        meter.settle_local(1, 1, now)
    context.limit_headers = limit_headers(meter, now, store.leasing)

"""Step: is there room for what this request may use? Holds it until the request ends (limits/settlement.py)."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any

from serving.gateway.context import RequestContext
from serving.gateway.limits.headers import limit_headers
from serving.gateway.limits.meter import Meter
from serving.gateway.limits.quota import Quota, Reservation, output_tokens_wanted
from serving.gateway.limits.refusals import never_fits, over_limit, store_away
from serving.gateway.limits.store import EXCHANGES, Store


def reserve_quota(context: RequestContext) -> Awaitable[None] | None:
    """Hold one request, its estimated tokens and their price on every meter of this client and model, or on none."""
    model = context.model
    client = context.client
    if model is None or client is None:
        return None
    quota = client.limits.quotas.get(model.name)
    if quota is None:
        return None
    if quota.counts_tokens:
        document = context.document
        messages: list[dict[str, Any]] = document["messages"] if context.endpoint == "chat_completions" else []
        prompt, size = quota.measure.prompt_tokens(context.body, messages)
        reservation = Reservation(quota, prompt, output_tokens_wanted(document, context.endpoint), size)
    else:
        reservation = Reservation(quota, 0, 0, 0)
    if not quota.meters:  # only its cost is counted
        context.reservation = reservation
        return None
    store = context.policy.ledger.store
    if store.closed:
        raise store_away()
    now = time.monotonic()
    full = quota.take(reservation.amounts, now, store.leasing)
    if full is None:
        _hold(context, reservation, store, now)
        return None
    _check_size(quota, reservation)
    if store.leasing:
        return _after_exchange(context, quota, reservation, store)
    raise _refused(quota, reservation, full, now, store)


async def _after_exchange(context: RequestContext, quota: Quota, reservation: Reservation, store: Store) -> None:
    full: Meter | None = None
    for _ in range(EXCHANGES):
        quota.ask_for(reservation.amounts)
        try:
            await store.exchange(quota.client)
        finally:
            quota.heard(reservation.amounts)
        if store.closed:
            raise store_away()
        now = time.monotonic()
        full = quota.take(reservation.amounts, now, store.leasing, asked=True)
        if full is None:
            _hold(context, reservation, store, now)
            return
        if not store.leasing or full.wait(_amount(quota, reservation, full), now, leasing=True) > 1.0:
            break
    assert full is not None
    raise _refused(quota, reservation, full, time.monotonic(), store)


def _hold(context: RequestContext, reservation: Reservation, store: Store, now: float) -> None:
    context.reservation = reservation
    quota = reservation.quota
    store.active.add(quota.client)
    for meter, _ in quota.meters:
        if meter.kind in ("tokens_per_minute", "tokens_per_day"):  # in this order, and one is enough
            context.limit_headers += limit_headers(meter, now, store.leasing)
            return


def _check_size(quota: Quota, reservation: Reservation) -> None:
    for meter, unit in quota.meters:
        if reservation.amounts[unit] > meter.capacity:
            raise never_fits(meter, reservation, reservation.amounts[unit])


def _amount(quota: Quota, reservation: Reservation, full: Meter) -> int:
    return next(reservation.amounts[unit] for meter, unit in quota.meters if meter is full)


def _refused(quota: Quota, reservation: Reservation, full: Meter, now: float, store: Store) -> Exception:
    return over_limit(full, _amount(quota, reservation, full), now, store.leasing)

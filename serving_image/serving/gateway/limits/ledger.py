"""All meters of a process and the store behind them. One per process: a reload changes it in place, so what was spent
stays spent and what runs settles where it was reserved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from serving.gateway.limits.config import (
    LimitedClient,
    LimitsStoreConfig,
    PriceConfig,
    QuotaConfig,
    RedisStoreConfig,
    client_quota,
)
from serving.gateway.limits.estimate import ModelMeasure
from serving.gateway.limits.fleet import Fleet
from serving.gateway.limits.meter import Kind, Meter
from serving.gateway.limits.quota import NANODOLLARS, Price, Quota
from serving.gateway.limits.redis_store import RedisStore
from serving.gateway.limits.store import MemoryStore, Store

# What goes to another site is counted for all clients together. None of them can be called so.
OVERFLOW = "@overflow"


class PricedOverflow(Protocol):
    """The part of a model's overflow, likewise."""

    @property
    def price(self) -> PriceConfig | None: ...


class PricedModel(Protocol):
    """The part of a model's configuration that this feature reads."""

    @property
    def price(self) -> PriceConfig | None: ...
    @property
    def overflow(self) -> PricedOverflow | None: ...


class ClientLimits:
    """One client's meters: `requests` is asked before a body is read, `quotas` by model after."""

    __slots__ = ("name", "quotas", "requests")

    def __init__(self, name: str, requests: Meter | None, quotas: dict[str, Quota]) -> None:
        self.name = name
        self.requests = requests
        self.quotas = quotas


class Ledger:
    """Owns every meter, by client."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.store: Store = MemoryStore(self, self.fleet)
        self._meters: dict[str, dict[tuple[Kind, str | None], Meter]] = {}
        self._measures: dict[str, ModelMeasure] = {}
        self._overflow: Meter | None = None
        self._settings: tuple[LimitsStoreConfig | None, str | None] = (None, None)
        self._changed = asyncio.Event()
        self._left: list[Store] = []

    def adopt(
        self,
        models: Mapping[str, PricedModel],
        clients: Mapping[str, LimitedClient],
        store: LimitsStoreConfig,
        url: str | None,
        overflow_dollars_per_day: float | None = None,
    ) -> dict[str, ClientLimits]:
        """Take over a configuration, at the start or on reload; what each client's requests look up."""
        gateways = store.gateways if isinstance(store, RedisStoreConfig) else 1
        previous, self._meters = self._meters, {}
        prices = {name: None if model.price is None else Price(model.price) for name, model in models.items()}
        counted = {name for name, model in models.items() if model.overflow is not None and model.overflow.price}
        self._measures = {name: self._measures.get(name) or ModelMeasure() for name in models}
        limits: dict[str, ClientLimits] = {}
        for name, client in clients.items():
            before = previous.get(name, {})
            meters = self._meters[name] = dict[tuple[Kind, str | None], Meter]()
            own = _renew(meters, before, name, None, client_quota(client), gateways)
            requests = next((meter for meter in own if meter.kind == "requests"), None)
            over_all = [meter for meter in own if meter.kind != "requests"]
            quotas: dict[str, Quota] = {}
            for model in client.models:
                narrower = client.per_model.get(model)
                these = [] if narrower is None else _renew(meters, before, name, model, narrower, gateways)
                if over_all or these or prices[model] is not None or model in counted:
                    ordered = tuple(sorted([*over_all, *these], key=lambda meter: _CHEAPEST_FIRST.index(meter.kind)))
                    measure = self._measures[model]
                    quotas[model] = Quota(name, model, ordered, prices[model], measure, counts_tokens=model in counted)
            limits[name] = ClientLimits(name, requests, quotas)
        self._overflow = None
        if overflow_dollars_per_day is not None:
            wanted: list[tuple[Kind, int | None]] = [("dollars_per_day", _nanodollars(overflow_dollars_per_day))]
            meters = self._meters[OVERFLOW] = dict[tuple[Kind, str | None], Meter]()
            (self._overflow,) = _renewed(meters, previous.get(OVERFLOW, {}), OVERFLOW, None, wanted, gateways)
        self._settle_store(store, url)
        if self._overflow is not None:
            self.store.active.add(OVERFLOW)
        return limits

    def may_overflow(self) -> bool:
        """Whether there is something left of what may be spent at other sites today. What runs when nothing is left
        ends, and what other gateways spent is known after a second: so much may be over it."""
        meter = self._overflow
        if meter is None:
            return True
        store = self.store
        if store.closed:
            return False
        meter.turn(time.time())
        return meter.remaining(time.monotonic(), store.leasing)[0] > 0

    def overflowed(self, nanodollars: int) -> None:
        """Count what a request cost at another site."""
        meter = self._overflow
        if meter is None:
            return
        meter.turn(time.time())
        if self.store.leasing:
            meter.settle_leased(0, nanodollars)
        else:
            meter.settle_local(0, nanodollars, time.monotonic())
        self.store.active.add(OVERFLOW)

    def clients(self) -> Iterable[str]:
        """See store.Book."""
        return self._meters.keys()

    def meters_of(self, client: str) -> Iterable[Meter]:
        """See store.Book."""
        return self._meters.get(client, {}).values()

    async def run(self) -> None:
        """Serve the store until cancelled, the new one after a reload changed it."""
        while True:
            self._changed.clear()
            running = asyncio.create_task(self.store.run())
            changed = asyncio.create_task(self._changed.wait())
            stopped: asyncio.CancelledError | None = None
            try:
                await asyncio.wait((running, changed), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError as error:
                stopped = error
            running.cancel()
            changed.cancel()
            await asyncio.gather(running, changed, return_exceptions=True)
            if stopped is not None:
                raise stopped
            while self._left:
                await self._left.pop().close(tell=False)

    async def close(self) -> None:
        """After the last request: tell the store what was spent and give back what was lent."""
        await self.store.close()

    def _settle_store(self, store: LimitsStoreConfig, url: str | None) -> None:
        if self._settings == (store, url):
            return
        first = self._settings[0] is None
        self._settings = (store, url)
        if isinstance(store, RedisStoreConfig) and isinstance(self.store, RedisStore):
            assert url is not None
            if self.store.adopt(store, url):
                return
        if not first:
            self._left.append(self.store)
            for meters in self._meters.values():
                for meter in meters.values():
                    meter.change_store(self.store.leasing)
        if isinstance(store, RedisStoreConfig):
            assert url is not None
            self.store = RedisStore(store, url, self, self.fleet)
        else:
            self.store = MemoryStore(self, self.fleet)
        self._changed.set()


# A refusal by the meter that recovers soonest is the one worth telling.
_CHEAPEST_FIRST: tuple[Kind, ...] = (
    "concurrent_requests",
    "requests",
    "tokens_per_minute",
    "tokens_per_day",
    "budget",
)


def _renew(
    meters: dict[tuple[Kind, str | None], Meter],
    before: dict[tuple[Kind, str | None], Meter],
    client: str,
    model: str | None,
    quota: QuotaConfig,
    gateways: int,
) -> list[Meter]:
    """The meters of one quota, kept where they were there before."""
    dollars = quota.dollars_per_month
    wanted: list[tuple[Kind, int | None]] = [
        ("requests", quota.requests_per_minute),
        ("tokens_per_minute", quota.tokens_per_minute),
        ("tokens_per_day", quota.tokens_per_day),
        ("concurrent_requests", quota.concurrent_requests),
        ("budget", None if dollars is None else _nanodollars(dollars)),
    ]
    return _renewed(meters, before, client, model, wanted, gateways)


def _nanodollars(dollars: float) -> int:
    return round(dollars * NANODOLLARS)


def _renewed(
    meters: dict[tuple[Kind, str | None], Meter],
    before: dict[tuple[Kind, str | None], Meter],
    client: str,
    model: str | None,
    wanted: list[tuple[Kind, int | None]],
    gateways: int,
) -> list[Meter]:
    """One meter for each limit."""
    renewed: list[Meter] = []
    for kind, limit in wanted:
        if limit is None:
            continue
        meter = before.get((kind, model))
        if meter is None:
            meter = Meter(kind, client, model, limit, gateways)
        else:
            meter.adopt(limit, gateways)
        meters[kind, model] = meter
        renewed.append(meter)
    return renewed

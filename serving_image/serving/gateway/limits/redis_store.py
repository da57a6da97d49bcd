"""The shared store: leases from Redis or Valkey, renewed in the background, and a breaker for when it is away."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from urllib.parse import urlsplit

from serving.gateway.limits.config import RedisStoreConfig
from serving.gateway.limits.fleet import LIVES_SECONDS, Fleet
from serving.gateway.limits.meter import Meter
from serving.gateway.limits.redis_identity import OwnIdentity
from serving.gateway.limits.redis_link import AWAY, RedisLink
from serving.gateway.limits.script import EXCHANGE, FLEET, HOLD_SECONDS
from serving.gateway.limits.store import Book

_TICK_SECONDS = 0.25
"""How often the link is looked at when no request needs it: an outage is known after this and one timeout."""
_TELL_SECONDS = 1.0
_RETRY_SECONDS = 0.5
_CLIENTS_AT_ONCE = 50
_CLOSE_SECONDS = 2.0
_KEEP_SECONDS = 3600
# A window's count stays a while after its end, for gateways whose clock is behind.
_KEEP_WINDOW_SECONDS = {"tokens_per_day": 2 * 86_400, "dollars_per_day": 2 * 86_400, "budget": 33 * 86_400}
# A server's clock may be ahead of ours within one exchange.
_CLOCK_MARGIN_MS = 100

_Question = tuple[Meter, str, int]


class RedisStore:
    """One link, used by one task: what requests ask while an exchange is on its way goes together into the next one.
    So a busy gateway makes larger exchanges, not more of them."""

    def __init__(self, config: RedisStoreConfig, url: str, book: Book, fleet: Fleet) -> None:
        self.leasing = True
        self.closed = False
        self.active: set[str] = set()
        self.exchanges = self.failures = 0
        self._namespace = config.namespace
        self._url = url
        self._set(config, url)
        self._book = book
        self._fleet = fleet
        self._name = secrets.token_hex(8)
        self._wake = asyncio.Event()
        self._asking: set[str] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._told_at = 0.0
        self._retry_at = 0.0
        self._left: list[RedisLink] = []
        self._recover_active()

    def adopt(self, config: RedisStoreConfig, url: str) -> bool:
        """Take over changed settings. False: they name another store. A rotated password is no other store."""
        if config.namespace != self._namespace or _place(url) != _place(self._url):
            return False
        self._left.append(self._link)
        self._set(config, url)
        if not self.leasing:
            self.closed = self._refuses_when_away
        return True

    def _set(self, config: RedisStoreConfig, url: str) -> None:
        self.gateways = config.gateways
        self._url = url
        self._refuses_when_away = config.when_away == "closed"
        self._timeout = config.timeout_seconds
        self._link = RedisLink(
            url,
            config.timeout_seconds,
            config.ca_file,
            (EXCHANGE, FLEET),
            verify_host=config.verify_host,
            identity=None if config.token_from is None else OwnIdentity(),
        )

    async def exchange(self, client: str) -> None:
        """See Store.exchange."""
        if not self.leasing:
            return
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(answered)
        self._asking.add(client)
        self._wake.set()
        # An exchange may just have begun without this demand: one more is the longest there is to wait.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * self._timeout + _TICK_SECONDS):
                await answered

    async def run(self) -> None:
        """See Store.run."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            await self._round()

    async def close(self, tell: bool = True) -> None:
        """See Store.close. What is still held by running requests is told as well."""
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(_CLOSE_SECONDS):
                if tell and self.leasing:
                    for meter in self._all_meters():
                        meter.leave()
                    for clients in _in_portions(sorted(self.active)):
                        await self._tell(clients, every_second=False)
        self._answer_waiting()
        await self._link.drop()

    async def _round(self) -> None:
        while self._left:
            await self._left.pop().drop()
        now = time.monotonic()
        if not self.leasing and now < self._retry_at:
            return
        try:
            if not self.leasing:
                async with asyncio.timeout(self._timeout):
                    await self._link.ping()
                self._come_back()
            if now - self._told_at >= _TELL_SECONDS:
                self._told_at = now
                for clients in _in_portions(sorted(self.active)):
                    await self._exchange(clients, every_second=True)
                async with asyncio.timeout(self._timeout):
                    await self._tell_fleet()
            elif self._asking:
                await self._exchange([], every_second=False)
            else:
                async with asyncio.timeout(self._timeout):
                    await self._link.ping()
        except AWAY:
            await self._lose()
        if self._asking:
            self._wake.set()

    async def _exchange(self, clients: list[str], every_second: bool) -> None:
        asking, self._asking = self._asking, set()
        waiting, self._waiting = self._waiting, []
        try:
            async with asyncio.timeout(self._timeout):
                if clients:
                    await self._tell(clients, every_second)
                rest = sorted(asking.difference(clients))
                if rest:
                    await self._tell(rest, every_second=False)
        except AWAY as error:
            # Before anybody is answered: who waited must find the breaker open.
            await self._lose()
            raise error  # by name: see test_compiled
        finally:
            for answered in waiting:
                if not answered.done():
                    answered.set_result(None)

    async def _tell(self, clients: list[str], every_second: bool) -> None:
        """One call of the script per client, all in one round trip."""
        now = time.monotonic()
        questions: list[list[_Question]] = []
        calls: list[tuple[list[str], list[str | int | float]]] = []
        for client in clients:
            asked, keys, values = self._question(client, every_second, now)
            if asked:
                questions.append(asked)
                calls.append((keys, values))
            else:
                self.active.discard(client)
        if not calls:
            return
        self.exchanges += 1
        answers = await self._link.call(EXCHANGE, calls)
        now = time.monotonic()
        for asked, answer in zip(questions, answers, strict=True):
            for place, (meter, label, total) in enumerate(asked):
                lease, spent, others = answer[3 * place : 3 * place + 3]
                meter.granted(label, total, int(lease), float(spent), int(others), now)

    def _question(
        self, client: str, every_second: bool, now: float
    ) -> tuple[list[_Question], list[str], list[str | int | float]]:
        asked: list[_Question] = []
        keys: list[str] = []
        values = header(self._name)
        for meter in self._book.meters_of(client):
            meter.turn(time.time())
            if meter.idle() and not meter.demand:
                continue
            asked.append((meter, meter.label(), meter.total))
            # The braces put all of a client's keys into one slot, as a script of a cluster needs it.
            keys.append(f"{self._namespace}:{{{client}}}:{meter.kind}:{meter.model or '*'}:{meter.label()}")
            values += question(meter, every_second, now)
        return asked, keys, values

    async def _tell_fleet(self) -> None:
        values: list[str | int | float | bytes] = [self._name, LIVES_SECONDS * 1000, self._fleet.publish()]
        (published,) = await self._link.call(FLEET, [([f"{self._namespace}:fleet"], values)])
        self._fleet.heard(published)

    async def _lose(self) -> None:
        """Open the breaker."""
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        await self._link.drop()
        if not self.leasing:
            return
        self.failures += 1
        now = time.monotonic()
        for meter in self._all_meters():
            meter.go_local(now)
        self._fleet.alone(complete=False)
        self.closed = self._refuses_when_away
        self.leasing = False
        self._answer_waiting()

    def _come_back(self) -> None:
        """Close the breaker: everything that was spent meanwhile is told in the next exchange."""
        self._recover_active()
        self._told_at = 0.0
        self.leasing = True
        self.closed = False

    def _recover_active(self) -> None:
        for client in self._book.clients():
            if not all(meter.idle() for meter in self._book.meters_of(client)):
                self.active.add(client)

    def _answer_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._asking.clear()
        for answered in waiting:
            if not answered.done():
                answered.set_result(None)

    def _all_meters(self) -> list[Meter]:
        return [meter for client in self._book.clients() for meter in self._book.meters_of(client)]


def header(gateway: str) -> list[str | int | float]:
    """What the script wants to know of the gateway."""
    return [gateway, HOLD_SECONDS * 1000]


def question(meter: Meter, every_second: bool, now: float) -> list[str | int | float]:
    """What the script wants to know of one meter."""
    passed = meter.silent_for(now)
    keep = _KEEP_WINDOW_SECONDS.get(meter.kind, _KEEP_SECONDS)
    return [
        meter.capacity,
        repr(meter.rate),
        meter.total,
        meter.base(),
        meter.held,
        meter.want(every_second),
        -1 if passed is None else int(passed * 1000) + _CLOCK_MARGIN_MS,
        -keep if meter.kind == "concurrent_requests" else keep,
    ]


def _place(url: str) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.hostname, parts.port, parts.path


def _in_portions(clients: list[str]) -> list[list[str]]:
    return [clients[start : start + _CLIENTS_AT_ONCE] for start in range(0, len(clients), _CLIENTS_AT_ONCE)]

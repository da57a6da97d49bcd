"""From a checked configuration to pools, routes, fallbacks and shadows. Pools outlive reloads, the rest does not."""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_right
from typing import TYPE_CHECKING

from serving.gateway.facts import RequestFacts
from serving.gateway.routing.config import RoutesConfig, ShadowConfig
from serving.gateway.routing.overflow import Overflow
from serving.gateway.routing.pool import Pool, Source
from serving.gateway.routing.versions import Versions
from serving.gateway.waiting.config import DemandConfig
from serving.gateway.waiting.demand import Demand

if TYPE_CHECKING:
    from serving.gateway.config import GatewayConfig

_KEY = b"slipway routes 1"
_SPACE = float(1 << 64)


class Routes:
    """The shares of one model's requests and whose share a request is."""

    __slots__ = ("_ends", "_names", "_pools", "_salt", "_session_header", "_sticky", "_total")

    def __init__(self, model: str, config: RoutesConfig, pools: dict[str, Pool]) -> None:
        self._names = tuple(config.to)
        self._pools = tuple(pools[route.model] for route in config.to.values())
        self._ends: list[float] = []
        self._total = 0.0
        for route in config.to.values():
            self._total += route.weight
            self._ends.append(self._total)
        self._sticky = config.sticky
        self._session_header = config.session_header.encode()
        self._salt = model.encode() + b"\0"

    def choose(self, context: RequestFacts) -> tuple[str, Pool]:
        """The route's name and its pool. A boundary that the request may not cross takes the next route along."""
        at = bisect_right(self._ends, self._point(context) * self._total)
        allowed = context.boundaries
        for step in range(len(self._names)):
            index = (at + step) % len(self._names)
            pool = self._pools[index]
            if allowed is None or not allowed.isdisjoint(pool.boundaries):
                return self._names[index], pool
        return self._names[at], self._pools[at]

    def _point(self, context: RequestFacts) -> float:
        """From 0 up to 1, the same for the same client or session."""
        if self._sticky == "none":
            return random.random()  # noqa: S311 - a share, not a secret
        identity = b""
        if self._sticky == "session":
            for name, value in context.scope["headers"]:
                if name == self._session_header:
                    identity = b"session\0" + value
                    break
        if not identity:
            identity = b"client\0" + (context.client_name or "").encode()
        digest = hashlib.blake2b(self._salt + identity, digest_size=8, key=_KEY).digest()
        # The top bit patterns next to 2**64 would round up to 1.0.
        return min(int.from_bytes(digest, "little") / _SPACE, 1 - 2**-53)


class Shadow:
    """Which requests are copied where, and how many copies run."""

    __slots__ = ("concurrent", "pool", "running", "share", "versions")

    def __init__(self, config: ShadowConfig, pool: Pool, versions: Versions | None) -> None:
        self.share = config.percent / 100
        self.concurrent = config.concurrent
        self.pool = pool
        self.running = 0
        # None: the copies are for nobody's release.
        self.versions = versions


class Destinations:
    """Where one model's requests may go."""

    __slots__ = ("fallbacks", "overflow", "pool", "repeats", "routes", "shadow", "versions")

    def __init__(
        self,
        pool: Pool,
        fallbacks: tuple[Pool, ...],
        routes: Routes | None,
        shadow: Shadow | None,
        overflow: Overflow | None,
        versions: Versions | None,
    ) -> None:
        self.pool = pool
        self.fallbacks = fallbacks
        # To one of `fallbacks`.
        self.overflow = overflow
        self.routes = routes
        self.shadow = shadow
        # None: no other version of it is being released.
        self.versions = versions
        # Whether a failed call could be repeated anywhere: otherwise the budget need not count.
        self.repeats = bool(fallbacks) or routes is not None


def build_destinations(
    config: GatewayConfig, previous: dict[str, Pool]
) -> tuple[dict[str, Pool], dict[str, Destinations]]:
    """By model name. `previous` are the pools of the policy before."""
    pools: dict[str, Pool] = {}
    for name in config.models:
        pools[name] = previous.get(name) or Pool(name)
    limits = config.limits
    hang_seconds = max(limits.stream_idle_seconds, limits.first_byte_seconds or 0.0)
    destinations: dict[str, Destinations] = {}
    for name, model in config.models.items():
        sources = [
            Source(
                upstream,
                upstream.boundary or config.boundary,
                None if upstream.key_file is None else f"Bearer {config.engine_keys[upstream.key_file]}",
                None if upstream.tls is None else config.trusted[upstream.tls],
            )
            for upstream in model.upstreams
        ]
        pools[name].configure(
            sources,
            model.routing,
            model.queue,
            model.hold,
            alternatives=bool(model.fallbacks) or model.routes is not None,
            hang_seconds=hang_seconds,
        )
        _watch(pools[name], model.demand)
        versions = _versions(pools[name], config)
        destinations[name] = Destinations(
            pools[name],
            tuple(pools[fallback] for fallback in model.fallbacks),
            None if model.routes is None else Routes(name, model.routes, pools),
            None if model.shadow is None else Shadow(model.shadow, pools[model.shadow.model], versions),
            None if model.overflow is None else Overflow(model.overflow, pools[name], pools[model.overflow.model]),
            versions,
        )
    return pools, destinations


def _watch(pool: Pool, config: DemandConfig | None) -> None:
    """What came goes on being known over reloads."""
    pool.wakes = config is not None and config.wakes
    if config is None:
        pool.demand = None
        return
    demand = pool.demand
    if demand is None:
        demand = pool.demand = Demand()
        demand.count(pool.came)
    demand.configure(config.slice_seconds, config.mean_seconds, config.kept_percent)


def _versions(pool: Pool, config: GatewayConfig) -> Versions | None:
    """What was counted goes on over reloads: a judge looks at what is new."""
    released = config.releases.get(pool.name)
    if released is None:
        pool.versions = None
        return None
    versions = pool.versions or Versions(pool.name)
    versions.candidate_name = released.rules.candidate
    versions.limit = released.rules.first_token_seconds or 0.0
    versions.release = released.release
    versions.percent = released.percent
    pool.versions = versions
    return versions

"""One replica: an address of an engine for one model, what runs on it, and whether it is trusted with more."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from serving.gateway.asgi import Header
from serving.gateway.engine_trust import EngineTrust
from serving.gateway.routing.config import UpstreamConfig
from serving.gateway.routing.prefix import replica_seed

if TYPE_CHECKING:
    from serving.gateway.lifeline import Lifeline

PATHS = {
    "chat_completions": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}
UNLIMITED = 1 << 60


class State(IntEnum):
    """A replica's circuit breaker. COOLING: it said that it is busy (429) and gets a moment."""

    CLOSED = 0
    OPEN = 1
    TRIAL = 2
    COOLING = 3


class Outcome(IntEnum):
    """How one call to a replica ended, as far as the replica is to blame."""

    GOOD = 0
    FAILED = 1
    BUSY = 2
    HUNG = 3
    NEUTRAL = 4  # the client left, or the gateway stopped: says nothing about the replica


class Replica:
    """Lives as long as its pool lists it or a request runs on it, reloads included.

    Per model, not per address: a cloud that limits one model, or an engine whose adapter is broken, is still good for
    the other models behind the same address.
    """

    __slots__ = (
        "asked",
        "authorization",
        "boundary",
        "closed_at",
        "history",
        "hung",
        "in_flight",
        "kind",
        "labels",
        "limit",
        "model",
        "open_until",
        "opened_times",
        "probed",
        "reachable",
        "seed",
        "share",
        "state",
        "streams",
        "trust",
        "trying",
        "turn",
        "url",
        "urls",
        "weight",
    )

    def __init__(
        self, url: str, upstream: UpstreamConfig, boundary: str, authorization: str | None, model: str
    ) -> None:
        self.url = url.rstrip("/")
        self.urls = {endpoint: self.url + path for endpoint, path in PATHS.items()}
        self.kind = upstream.kind
        self.boundary = boundary
        self.authorization = authorization
        # The name to write into the body; None: it is there already, unless the request came for another model.
        self.model = upstream.model
        self.labels: tuple[Header, ...] = (
            (b"x-slipway-boundary", boundary.encode()),
            (b"x-slipway-model", model.encode()),
        )
        self.seed = replica_seed(self.url)
        self.probed = upstream.kind != "openai"
        # What the last probe said. Clouds are not probed: they count as reachable until their answers fail.
        self.reachable = not self.probed
        # False until the first probe: a new replica is trusted until something speaks against it.
        self.asked = not self.probed
        self.in_flight = 0
        # Streams open on it, with the time they began: their lifelines know when they last heard something.
        self.streams: dict[Lifeline, float] = {}
        self.turn = 0
        self.state = State.CLOSED
        # The last outcomes, newest lowest, 1 for a failure. 0 while all is well, which is the usual and cheap case.
        self.history = 0
        self.open_until = 0.0
        self.opened_times = 0
        self.closed_at = 0.0
        self.hung = False
        self.trying = False
        # Who vouches for it, where it is no authority that the system knows.
        self.trust: EngineTrust | None = None
        self.adopt(upstream, None)

    def adopt(self, upstream: UpstreamConfig, trust: EngineTrust | None) -> None:
        """At the start and after a reload: what may change without becoming another replica."""
        self.trust = trust
        self.weight = upstream.weight
        self.share = 1.0 / upstream.weight
        self.limit = upstream.concurrent_requests or UNLIMITED

    def silent_for(self, now: float) -> float:
        """Seconds since any of its open streams heard something; 0.0 when none is open."""
        latest = -1.0
        for life, began in self.streams.items():
            if not life.sending:  # one that waits for its client says nothing about the replica
                latest = max(latest, began, life.heard_at)
        return now - latest if latest >= 0 else 0.0

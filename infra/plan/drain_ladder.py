"""Drain ladder: from the longest generation, how long every layer of a site may take to end, inside to outside.

One number in (`longest_generation_seconds`, G), all times out. Each layer outlasts the one inside it; where a place
cannot give a layer its time, the stack is refused with the longest generation that would fit, or, where the place never
promises any, the plan says "not guaranteed here".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infra.plan.drain_caps import Cap, FrontDoor, Layer, Nodes
from infra.problems import Problem

# Until every router has dropped an endpoint that is going away (what KServe and llm-d ship, read 2026-08).
PRE_STOP_SECONDS = 15
# An engine's teardown after its last answer: 15 s (llm-d, 2026-06); SGLang waits 5 s to notice and 15 s for its
# schedulers (source of 0.5.23).
ENGINE_MARGIN_SECONDS = {"sglang": 30}
ENGINE_MARGIN_OTHERWISE_SECONDS = 15
# The gateway still delivers the last bytes of the last answer.
GATEWAY_MARGIN_SECONDS = 15
# The gateway must be the last to close an idle connection; Google's own advice is 620 s for its 600 s.
KEEP_ALIVE_MARGIN_SECONDS = 20
IDLE_MARGIN_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class DrainRequest:
    """What a site's drain depends on. `accept_seconds` is how long a gateway that is told to stop still takes requests;
    `hold_seconds` is the longest a request may wait (queue or cold start) before its generation begins."""

    where: str
    longest_generation_seconds: int
    engine: str
    front: FrontDoor
    nodes: Nodes
    spot: bool = False
    accept_seconds: int = 0
    hold_seconds: int = 0
    pre_stop_seconds: int = PRE_STOP_SECONDS


@dataclass(frozen=True, kw_only=True)
class DrainRow:
    """One layer: what it gets, what the place allows (None: as long as wanted), why that much and who says so."""

    layer: Layer
    seconds: int
    allowed_seconds: int | None
    why: str
    allowed_by: str | None
    source: str | None
    as_of: str | None
    refuses: bool

    @property
    def fits(self) -> bool:
        return self.allowed_seconds is None or self.seconds <= self.allowed_seconds


@dataclass(frozen=True, kw_only=True)
class DrainLadder:
    """All times of one site, in seconds, and the rows that explain them."""

    longest_generation_seconds: int
    engine_shutdown_seconds: int
    pod_grace_seconds: int
    gateway_grace_seconds: int
    gateway_keep_alive_seconds: int
    load_balancer_deregistration_seconds: int
    load_balancer_idle_seconds: int
    node_grace_seconds: int
    guaranteed: bool
    rows: tuple[DrainRow, ...]


def slowest_engine(engines: Iterable[str]) -> str:
    """The engine whose teardown takes longest: with the longest generation it bounds a whole site."""
    return max(sorted(engines), key=engine_margin)


def drain_ladder(request: DrainRequest) -> DrainLadder:
    """Every time from one number; none is shortened to fit, so that a cap shows as what it is."""
    longest, pre_stop = request.longest_generation_seconds, request.pre_stop_seconds
    margin = engine_margin(request.engine)
    pod = pre_stop + longest + margin
    own = pre_stop + request.accept_seconds + request.hold_seconds + longest + GATEWAY_MARGIN_SECONDS
    gateway = max(pod, own)
    idle = request.hold_seconds + longest + IDLE_MARGIN_SECONDS
    reuse = idle if request.front.reuse_seconds is None else request.front.reuse_seconds
    # A node ends when the slower of its pods and its deregistration has.
    deregistration = node = gateway
    why: dict[Layer, tuple[int, str]] = {
        "engine_shutdown": (longest, "the longest generation"),
        "pod_grace": (pod, f"preStop {pre_stop} + generation {longest} + teardown {margin}"),
        "gateway_grace": (
            gateway,
            f"preStop {pre_stop} + accepting {request.accept_seconds} + holding {request.hold_seconds}"
            f" + generation {longest} + margin {GATEWAY_MARGIN_SECONDS}, and no less than the engine's pod",
        ),
        "gateway_keep_alive": (
            reuse + KEEP_ALIVE_MARGIN_SECONDS,
            f"{request.front.name} reuses a connection for {reuse} s, and must be the first to close it",
        ),
        "load_balancer_deregistration": (deregistration, "as long as the gateway may still answer"),
        "load_balancer_idle": (
            idle,
            f"an answer that is not streamed is silence: holding {request.hold_seconds} + generation {longest}"
            f" + margin {IDLE_MARGIN_SECONDS}",
        ),
        "node_grace": (node, "as long as every pod on it"),
    }
    if request.spot and request.nodes.spot:
        # Gateways are not on machines that may be taken away; only the engine's pod has to be quick.
        why["spot_notice"] = (pod, "an interrupted machine must end its engine's pod within the notice")
    rows = tuple(_row(layer, seconds, because, _cap(request, layer)) for layer, (seconds, because) in why.items())
    return DrainLadder(
        longest_generation_seconds=longest,
        engine_shutdown_seconds=longest,
        pod_grace_seconds=pod,
        gateway_grace_seconds=gateway,
        gateway_keep_alive_seconds=why["gateway_keep_alive"][0],
        load_balancer_deregistration_seconds=deregistration,
        load_balancer_idle_seconds=idle,
        node_grace_seconds=node,
        guaranteed=all(row.fits for row in rows),
        rows=rows,
    )


def drain_problems(request: DrainRequest) -> Iterator[Problem]:
    """One problem for each layer that gets less than it needs from a place that enforces its limit."""
    for row in drain_ladder(request).rows:
        if row.refuses and not row.fits:
            yield Problem(
                where=f"{request.where}.longest_generation_seconds",
                found=f"{request.longest_generation_seconds} s: {_words(row.layer)} needs {row.seconds} s ({row.why})",
                allowed=f"{row.allowed_seconds} s: {row.allowed_by} ({row.source}; {row.as_of})",
                remedy=_remedy(request, row),
            )


def drain_warnings(request: DrainRequest) -> Iterator[str]:
    """What no setting can promise here, one sentence for each layer."""
    for row in drain_ladder(request).rows:
        if not row.refuses and not row.fits:
            yield (
                f"{request.where}: not guaranteed here: {_words(row.layer)} needs {row.seconds} s, "
                f"{request.nodes.name} gives {row.allowed_seconds} s; a longer answer is cut when an instance ends "
                f"({row.source})"
            )
    if request.spot and request.nodes.spot is None:
        yield f"{request.where}: the notice of an interruption is not known here; answers may be cut"


def engine_margin(engine: str) -> int:
    """What an engine's teardown takes after its last answer."""
    return ENGINE_MARGIN_SECONDS.get(engine, ENGINE_MARGIN_OTHERWISE_SECONDS)


def _cap(request: DrainRequest, layer: Layer) -> Cap | None:
    """The tightest limit on a layer."""
    spot = (request.nodes.spot,) if request.nodes.spot else ()
    caps = [cap for cap in (*request.front.caps, *request.nodes.caps, *spot) if cap.layer == layer]
    return min(caps, key=lambda cap: cap.seconds, default=None)


def _row(layer: Layer, seconds: int, why: str, cap: Cap | None) -> DrainRow:
    return DrainRow(
        layer=layer,
        seconds=seconds,
        allowed_seconds=cap.seconds if cap else None,
        why=why,
        allowed_by=cap.what if cap else None,
        source=cap.source if cap else None,
        as_of=cap.as_of if cap else None,
        refuses=cap.refuses if cap else True,
    )


def _remedy(request: DrainRequest, row: DrainRow) -> str:
    fitting = request.longest_generation_seconds - (row.seconds - (row.allowed_seconds or 0))
    spot = row.layer == "spot_notice"
    lower = (
        f"lower `longest_generation_seconds` to {fitting}"
        if fitting > 0
        else "no generation fits at this preStop, hold and margin"
    )
    if spot:
        return f"{lower}, or buy the machines `on_demand`"
    return lower if fitting > 0 else f"{lower}: shorten how long requests are held"


def _words(layer: Layer) -> str:
    return layer.replace("_", " ")

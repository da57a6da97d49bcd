"""Cold start: how long from "a replica is needed" to "it answers", phase by phase, and what shortens it.

Every phase is a band from sizes and speeds (`cold_start_rates.py`). The cure is the cheapest set of measures that
brings the slow end within what is allowed. Zero replicas are refused where the objective, or holding requests, allows
less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from infra.plan.cold_start_rates import (
    CACHE_GB_PER_SECOND,
    ENGINE_RATES,
    FETCH_GB_PER_SECOND,
    NETWORK_SHARE,
    NOT_MEASURED_ENGINE,
    PROVISION_SECONDS,
    PULL_GB_PER_SECOND,
    REGISTRY_GB_PER_SECOND,
    STREAMED_SHARE,
    Seen,
)
from infra.problems import Problem

GIB = 1024**3 / 1e9  # in GB
WARM_SPARE = "warm_spare"
# What a startup probe may take: twice the estimate, never below 5 minutes nor above an hour.
STARTUP_FACTOR, STARTUP_LOW_SECONDS, STARTUP_HIGH_SECONDS = 2, 300, 3600


@dataclass(frozen=True, kw_only=True)
class ColdStartRequest:
    """One replica's start. `image_gb` is compressed; `network_gbps` None means unknown (no bound from it). A price None
    means no price: such a cure is taken only where nothing else is enough."""

    place: str
    engine: str
    image_gb: float
    weights_gib: float
    network_gbps: float | None = None
    weights_in_image: bool = False
    can_stream_images: bool = True
    can_mount_images: bool = False
    can_cache_weights: bool = True
    can_keep_spares: bool = True
    weights_cache_dollars_per_month: float | None = None
    spare_dollars_per_month: float | None = None


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One step of a start, between its fast and its slow end."""

    name: str
    seconds_low: float
    seconds_high: float
    why: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Cure:
    """A measure: the phases that it leaves shorter, what it saves and what it costs each month (None: no price)."""

    name: str
    leaves: tuple[Phase, ...]
    saves_seconds_low: float
    saves_seconds_high: float
    dollars_per_month: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class ColdStart:
    """A start as it is, the measures there are, those chosen, and the start with them."""

    phases: tuple[Phase, ...]
    seconds_low: float
    seconds_high: float
    cures: tuple[Cure, ...]
    chosen: tuple[str, ...]
    with_chosen_seconds_low: float
    with_chosen_seconds_high: float
    startup_budget_seconds: int


def cold_start(request: ColdStartRequest, *, within_seconds: float | None = None) -> ColdStart:
    """The start, and the cheapest cures that bring its slow end within `within_seconds`; without it, those that are
    free. Where not even all of them are enough, none is chosen: money that does not help is not spent."""
    phases = _phases(request)
    low, high = _total(phases)
    cures = tuple(cure for cure in _cures(request, phases) if cure.saves_seconds_high > 0)
    chosen = _chosen(cures, phases, within_seconds)
    chosen_low, chosen_high = _total(_with(chosen, phases))
    budget = STARTUP_FACTOR * _serving_seconds_high(phases)
    return ColdStart(
        phases=phases,
        seconds_low=low,
        seconds_high=high,
        cures=cures,
        chosen=tuple(cure.name for cure in chosen),
        with_chosen_seconds_low=chosen_low,
        with_chosen_seconds_high=chosen_high,
        startup_budget_seconds=round(min(max(budget, STARTUP_LOW_SECONDS), STARTUP_HIGH_SECONDS)),
    )


def scale_to_zero_problems(
    where: str,
    start: ColdStart,
    *,
    min_replicas: int,
    time_to_first_token_seconds: float | None,
    hold_seconds: float | None,
) -> Iterator[Problem]:
    """Zero replicas need a start within the objective, or requests that are held as long as it takes at worst."""
    # With a spare there are not zero replicas, so its help does not count here.
    spare = WARM_SPARE in start.chosen
    best = start.seconds_low if spare else start.with_chosen_seconds_low
    worst = start.seconds_high if spare else start.with_chosen_seconds_high
    if min_replicas > 0 or (hold_seconds is not None and hold_seconds >= worst):
        return
    if time_to_first_token_seconds is not None and time_to_first_token_seconds >= worst:
        return
    held = "requests are not held" if hold_seconds is None else f"requests are held for {hold_seconds:g} s"
    objective = (
        "no objective for the first token"
        if time_to_first_token_seconds is None
        else f"an objective of {time_to_first_token_seconds:g} s to the first token"
    )
    others = [cure.name for cure in start.cures if cure.name not in (*start.chosen, WARM_SPARE)]
    yield Problem(
        where=f"{where}.scaling.min_replicas",
        found=f"0, with a cold start of {best:.0f} to {worst:.0f} s; {held}; {objective}",
        allowed=f"0 only where requests are held at least {math.ceil(worst)} s, or the objective allows that long",
        remedy=f"hold requests for {math.ceil(worst)} s, or set `min_replicas` to 1"
        + (f"; what would shorten it: {', '.join(others)}" if others else ""),
    )


def startup_problems(where: str, start: ColdStart, *, at_most_seconds: float, place: str) -> Iterator[Problem]:
    """A platform that kills what has not started in time (Cloud Run: 240 s) must be given a start that fits."""
    slow = _serving_seconds_high(start.phases)
    if slow > at_most_seconds:
        yield Problem(
            where=where,
            found=f"up to {slow:.0f} s to fetch and load the weights and warm up",
            allowed=f"{at_most_seconds:g} s: {place} kills what has not started by then",
            remedy="choose a smaller or more quantized model, weights inside the image, or another platform",
        )


def _phases(request: ColdStartRequest) -> tuple[Phase, ...]:
    provision = PROVISION_SECONDS[request.place]
    rates = ENGINE_RATES.get(request.engine, NOT_MEASURED_ENGINE)
    inside, outside = _weights_gb(request)
    network = request.network_gbps
    return (
        _timed("provision_node", f"a machine on {request.place}", provision),
        _moved("pull_image", (request.image_gb + inside, request.image_gb + inside), PULL_GB_PER_SECOND, network),
        _moved("fetch_weights", (outside, outside), FETCH_GB_PER_SECOND, network),
        Phase(
            name="load",
            seconds_low=request.weights_gib / rates.load_gib_per_second.low,
            seconds_high=request.weights_gib / rates.load_gib_per_second.high,
            why=f"{request.weights_gib:.1f} GiB into memory",
            source=rates.load_gib_per_second.said,
        ),
        _timed("warm_up", f"what {request.engine} compiles and captures first", rates.warm_up_seconds),
    )


def _cures(request: ColdStartRequest, phases: Sequence[Phase]) -> Iterator[Cure]:
    inside, outside = _weights_gb(request)
    network = request.network_gbps
    if request.can_stream_images:
        # Weights inside an image are read whole: streaming spares only the rest of it.
        read = (request.image_gb * STREAMED_SHARE.low + inside, request.image_gb * STREAMED_SHARE.high + inside)
        yield _cure(
            "image_streaming",
            (_moved("pull_image", read, PULL_GB_PER_SECOND, network),),
            phases,
            dollars_per_month=0.0,
            why=f"the container starts while its image streams in (SOCI, GKE image streaming): {STREAMED_SHARE.said}",
        )
    if request.can_mount_images:
        yield _cure(
            "weights_volume",
            (_moved("fetch_weights", (outside, outside), REGISTRY_GB_PER_SECOND, network),),
            phases,
            dollars_per_month=0.0,
            why="weights as an image volume, pulled in parallel from the region's registry, kept by the node",
        )
    if request.can_cache_weights:
        rates = ENGINE_RATES.get(request.engine, NOT_MEASURED_ENGINE)
        yield _cure(
            "weights_cache",
            (
                _moved("fetch_weights", (outside, outside), CACHE_GB_PER_SECOND, None),
                _timed("warm_up", "nothing is compiled again", rates.compile_cache_seconds),
            ),
            phases,
            dollars_per_month=request.weights_cache_dollars_per_month,
            why="weights and what was compiled stay on a volume near the node",
        )
    if request.can_keep_spares:
        yield _cure(
            WARM_SPARE,
            tuple(replace(phase, seconds_low=0.0, seconds_high=0.0, why="it runs already") for phase in phases),
            phases,
            dollars_per_month=request.spare_dollars_per_month,
            why="one more replica runs than is needed, so that the next one is there already",
        )


def _cure(
    name: str, leaves: tuple[Phase, ...], phases: Sequence[Phase], *, dollars_per_month: float | None, why: str
) -> Cure:
    (low, high), (left_low, left_high) = _total(phases), _total(_shortened(phases, leaves))
    return Cure(
        name=name,
        leaves=leaves,
        saves_seconds_low=low - left_low,
        saves_seconds_high=high - left_high,
        dollars_per_month=dollars_per_month,
        why=why,
    )


def _chosen(cures: Sequence[Cure], phases: Sequence[Phase], within_seconds: float | None) -> tuple[Cure, ...]:
    if within_seconds is None:
        return tuple(cure for cure in cures if cure.dollars_per_month == 0)
    sets = [chosen for size in range(len(cures) + 1) for chosen in combinations(cures, size)]
    enough = [chosen for chosen in sets if _total(_with(chosen, phases))[1] <= within_seconds]
    return min(enough, key=_expense, default=())


def _expense(chosen: Sequence[Cure]) -> tuple[int, float, int]:
    """What is cheap comes first; what has no price comes after everything that has one."""
    unpriced = sum(cure.dollars_per_month is None for cure in chosen)
    return unpriced, sum(cure.dollars_per_month or 0 for cure in chosen), len(chosen)


def _with(chosen: Sequence[Cure], phases: Sequence[Phase]) -> Sequence[Phase]:
    for cure in chosen:
        phases = _shortened(phases, cure.leaves)
    return phases


def _shortened(phases: Sequence[Phase], leaves: Sequence[Phase]) -> list[Phase]:
    """A measure never makes a phase longer: where it would, things stay as they were."""
    by_name = {phase.name: phase for phase in leaves}
    return [min(phase, by_name.get(phase.name, phase), key=lambda p: p.seconds_high) for phase in phases]


def _total(phases: Sequence[Phase]) -> tuple[float, float]:
    return sum(phase.seconds_low for phase in phases), sum(phase.seconds_high for phase in phases)


def _serving_seconds_high(phases: Sequence[Phase]) -> float:
    return sum(phase.seconds_high for phase in phases if phase.name in ("fetch_weights", "load", "warm_up"))


def _weights_gb(request: ColdStartRequest) -> tuple[float, float]:
    """Weights inside the image, and outside of it."""
    weights = request.weights_gib * GIB
    return (weights, 0.0) if request.weights_in_image else (0.0, weights)


def _timed(name: str, why: str, seen: Seen) -> Phase:
    return Phase(name=name, seconds_low=seen.low, seconds_high=seen.high, why=why, source=seen.said)


def _moved(name: str, gb: tuple[float, float], rate: Seen, network_gbps: float | None) -> Phase:
    bound = float("inf") if network_gbps is None else network_gbps / 8 * NETWORK_SHARE
    return Phase(
        name=name,
        seconds_low=gb[0] / min(rate.low, bound),
        seconds_high=gb[1] / min(rate.high, bound),
        why=f"{gb[1]:.1f} GB" + ("" if network_gbps is None else f" over {network_gbps:g} Gbit/s"),
        source=rate.said,
    )

"""Cold start: how long from "a replica is needed" to "it answers", phase by phase, and what shortens it.

Every phase is a band from sizes and speeds (`cold_start_rates.py`). The cure is the cheapest set of measures that
brings the slow end within what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from infra.plan.cold_start_rates import (
    BUCKET_GB_PER_SECOND,
    CACHE_GB_PER_SECOND,
    FETCH_GB_PER_SECOND,
    NETWORK_SHARE,
    PULL_GB_PER_SECOND,
    REGISTRY_GB_PER_SECOND,
    STREAMED_GB_PER_SECOND,
    STREAMED_SHARE,
    engine_rates,
)
from infra.plan.start_types import Seen, StartingPlace

GIB = 1024**3 / 1e9  # in GB
WARM_SPARE = "warm_spare"
# What a startup probe may take: twice the estimate, never below 5 minutes nor above an hour.
STARTUP_FACTOR, STARTUP_LOW_SECONDS, STARTUP_HIGH_SECONDS = 2, 300, 3600


@dataclass(frozen=True, kw_only=True)
class ColdStartRequest:
    """One replica's start at one place. `image_gb` is compressed; `moves_weights` says whether weights come over a
    network, `from_bucket` whether out of a bucket in the same region, `mounted` whether as a file system whose cache
    has them then, `streamed` whether the engine does. A price None means no price: such a cure is taken only where
    nothing else is enough."""

    place: StartingPlace
    engine: str
    image_gb: Seen
    weights_gib: float
    moves_weights: bool = True
    from_bucket: bool = False
    mounted: bool = False
    streamed: bool = False
    weights_in_image: bool = False
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
    with_chosen: tuple[Phase, ...]
    with_chosen_seconds_low: float
    with_chosen_seconds_high: float
    startup_budget_seconds: int


def cold_start(request: ColdStartRequest, *, within_seconds: float | None = None) -> ColdStart:
    """The start, and the cheapest cures that bring its slow end within `within_seconds`. Without it, and where not even
    all of them are enough, those that are free: money that does not help is not spent."""
    phases = _phases(request)
    low, high = _total(phases)
    cures = tuple(cure for cure in _cures(request, phases) if cure.saves_seconds_high > 0)
    chosen = _chosen(cures, phases, within_seconds)
    shortened = tuple(_with(chosen, phases))
    chosen_low, chosen_high = _total(shortened)
    budget = min(max(STARTUP_FACTOR * serving_seconds_high(phases), STARTUP_LOW_SECONDS), STARTUP_HIGH_SECONDS)
    most = request.place.longest_start_seconds
    return ColdStart(
        phases=phases,
        seconds_low=low,
        seconds_high=high,
        cures=cures,
        chosen=tuple(cure.name for cure in chosen),
        with_chosen=shortened,
        with_chosen_seconds_low=chosen_low,
        with_chosen_seconds_high=chosen_high,
        startup_budget_seconds=round(budget if most is None else min(budget, most)),
    )


def _phases(request: ColdStartRequest) -> tuple[Phase, ...]:
    place, rates = request.place, engine_rates(request.engine)
    return (
        _timed("provision_node", f"until the machine is there: {place.name}", place.provision),
        _pulled(request, STREAMED_SHARE if place.streams_images else None),
        _first_fetched(request),
        _loaded(request, rates.load_gib_per_second),
        _timed("warm_up", f"what {request.engine} compiles and captures first", rates.warm_up_seconds),
    )


def _pulled(request: ColdStartRequest, share: Seen | None) -> Phase:
    """The image, or of one that streams in, the share that a start reads."""
    place, image = request.place, request.image_gb
    if not place.pulls_images:
        return Phase(
            name="pull_image", seconds_low=0.0, seconds_high=0.0, why="no image", source="engines run as they are here"
        )
    inside, _ = _weights_gb(request)
    low, high = (1.0, 1.0) if share is None else (share.low, share.high)
    # Weights inside an image are read whole: streaming spares only the rest of it.
    moved = _moved(
        "pull_image", (image.low * low + inside, image.high * high + inside), PULL_GB_PER_SECOND, place.network_gbps
    )
    streamed = "" if share is None else f"; read at the start, the rest streams in: {share.said}"
    return replace(moved, why=f"{moved.why}, compressed{streamed}", source=f"{moved.source}; size: {image.said}")


def _fetched(request: ColdStartRequest, rate: Seen, network_gbps: float | None) -> Phase:
    """Weights that come over a network, unless they are in the image or where the engine runs."""
    _, outside = _weights_gb(request)
    if not outside:
        where = "inside the image" if request.weights_in_image else "where the engine runs"
        where = "read out of a bucket while they are loaded" if request.streamed else where
        return Phase(name="fetch_weights", seconds_low=0.0, seconds_high=0.0, why=where, source="nothing is moved")
    return _moved("fetch_weights", (outside, outside), rate, network_gbps)


def _first_fetched(request: ColdStartRequest) -> Phase:
    """From where the site has them: a hub, or a bucket beside it."""
    if not request.from_bucket:
        return _fetched(request, FETCH_GB_PER_SECOND, request.place.network_gbps)
    found = _fetched(request, BUCKET_GB_PER_SECOND, request.place.network_gbps)
    if not found.seconds_high:
        return found
    # Not twice the work: the engine reads what the check has left in the cache.
    mounted = ", read and checked through a mount, which leaves them in its cache" if request.mounted else ""
    return replace(found, why=f"{found.why}, from a bucket{mounted}")


def _loaded(request: ColdStartRequest, rate: Seen) -> Phase:
    """Into memory, from where they were fetched to, or over a network without being kept."""
    if request.streamed:
        gb = request.weights_gib * GIB
        found = _moved("load", (gb, gb), STREAMED_GB_PER_SECOND, request.place.network_gbps)
        return replace(found, why=f"{found.why}, out of a bucket into memory")
    return Phase(
        name="load",
        seconds_low=request.weights_gib / rate.low,
        seconds_high=request.weights_gib / rate.high,
        why=f"{request.weights_gib:.1f} GiB into memory",
        source=rate.said,
    )


def _cures(request: ColdStartRequest, phases: Sequence[Phase]) -> Iterator[Cure]:
    place = request.place
    if place.can_stream_images and not place.streams_images:
        yield _cure(
            "image_streaming",
            (_pulled(request, STREAMED_SHARE),),
            phases,
            dollars_per_month=0.0,
            why=f"the container starts while its image streams in: {STREAMED_SHARE.said}",
        )
    if place.can_mount_images:
        yield _cure(
            "weights_volume",
            (_fetched(request, REGISTRY_GB_PER_SECOND, place.network_gbps),),
            phases,
            dollars_per_month=0.0,
            why="weights as an image volume, pulled in parallel from the region's registry, kept by the node",
        )
    if place.can_cache_weights and not request.streamed:
        yield _cure(
            "weights_cache",
            (
                _fetched(request, CACHE_GB_PER_SECOND, None),
                _timed("warm_up", "nothing is compiled again", engine_rates(request.engine).compile_cache_seconds),
            ),
            phases,
            dollars_per_month=request.weights_cache_dollars_per_month,
            why="weights and what was compiled stay on a volume near the node",
        )
    if place.can_keep_spares:
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
    free = tuple(cure for cure in cures if cure.dollars_per_month == 0)
    if within_seconds is None:
        return free
    sets = [chosen for size in range(len(cures) + 1) for chosen in combinations(cures, size)]
    enough = [chosen for chosen in sets if _total(_with(chosen, phases))[1] <= within_seconds]
    return min(enough, key=_expense, default=free)


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


def serving_seconds_high(phases: Sequence[Phase]) -> float:
    """From when the container runs."""
    return sum(phase.seconds_high for phase in phases if phase.name in ("fetch_weights", "load", "warm_up"))


def _weights_gb(request: ColdStartRequest) -> tuple[float, float]:
    """Weights inside the image, and outside of it."""
    weights = request.weights_gib * GIB
    if request.weights_in_image:
        return weights, 0.0
    return 0.0, weights if request.moves_weights and not request.streamed else 0.0


def _timed(name: str, why: str, seen: Seen) -> Phase:
    return Phase(name=name, seconds_low=seen.low, seconds_high=seen.high, why=why, source=seen.said)


def moved_seconds(gb: float, rate: Seen, network_gbps: float | None) -> tuple[float, float]:
    """At best and at worst, over a network that may be slower."""
    bound = float("inf") if network_gbps is None else network_gbps / 8 * NETWORK_SHARE
    return gb / min(rate.low, bound), gb / min(rate.high, bound)


def _moved(name: str, gb: tuple[float, float], rate: Seen, network_gbps: float | None) -> Phase:
    return Phase(
        name=name,
        seconds_low=moved_seconds(gb[0], rate, network_gbps)[0],
        seconds_high=moved_seconds(gb[1], rate, network_gbps)[1],
        why=f"{gb[1]:.1f} GB" + ("" if network_gbps is None else f" over {network_gbps:g} Gbit/s"),
        source=rate.said,
    )

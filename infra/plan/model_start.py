"""Starts of one model: how long they take at each of its places, what is chosen to shorten them, what refuses them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from infra.catalog.engine_images import engine_images
from infra.config import ModelSettings
from infra.plan.cold_start import GIB, ColdStart, ColdStartRequest, Phase, cold_start
from infra.plan.cold_start_checks import LONGEST_HOLD_SECONDS, scale_to_zero_problems, startup_problems
from infra.plan.drain_ladder import GATEWAY_MARGIN_SECONDS, PRE_STOP_SECONDS
from infra.plan.source_checks import streams
from infra.plan.start_types import ColdStartCure, ColdStartPhase, ModelColdStart, Seen, StartingPlace
from infra.plan.stored_weights import stored_gib
from infra.plan.types import ContainerSpec, Image
from infra.price.bill import HOURS_PER_MONTH
from infra.price.book import PriceBook
from infra.price.types import Purchase
from infra.problems import Problem
from infra.sources import SOURCES

# What a start probe gives where nobody knows how long a start takes.
UNKNOWN_STARTUP_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class ModelStarts:
    """A model's starts, by the first site of each different place, and the sites of each."""

    starts: Mapping[str, ColdStart]
    places: Mapping[str, StartingPlace]
    sites: Mapping[str, tuple[str, ...]]
    zero: bool

    @property
    def slowest(self) -> str:
        return max(self.starts, key=lambda site: self.starts[site].with_chosen_seconds_high)

    @property
    def startup_budget_seconds(self) -> int:
        """One for all sites: a longer one harms none of them."""
        return max(start.startup_budget_seconds for start in self.starts.values())

    def problems(self, where: str, settings: ModelSettings) -> Iterator[Problem]:
        """Starts that nobody would wait for, and starts that are ended before they are over."""
        objective, hold = settings.objective, settings.hold
        if self.zero:
            yield from scale_to_zero_problems(
                where,
                self.starts[self.slowest],
                min_replicas=0,
                time_to_first_token_seconds=objective and objective.time_to_first_token_seconds,
                hold_seconds=hold and hold.seconds,
                longest_hold_seconds=_longest_hold(self.places[self.slowest], settings.longest_generation_seconds),
            )
        for site, start in self.starts.items():
            place = self.places[site]
            if place.longest_start_seconds is not None:
                yield from startup_problems(where, start, at_most_seconds=place.longest_start_seconds, place=place.name)

    def plan(self) -> ModelColdStart:
        """As the plan says it."""
        site = self.slowest
        start = self.starts[site]
        return ModelColdStart(
            site=site,
            phases=tuple(map(_phase, start.with_chosen)),
            total_seconds=round(start.with_chosen_seconds_high, 1),
            total_seconds_low=round(start.with_chosen_seconds_low, 1),
            seconds_by_site={
                each: round(self.starts[first].with_chosen_seconds_high, 1)
                for first, sites in self.sites.items()
                for each in sites
            },
            cures=tuple(
                ColdStartCure(
                    name=cure.name,
                    chosen=cure.name in start.chosen,
                    saves_seconds=round(cure.saves_seconds_high, 1),
                    dollars_per_month=None if cure.dollars_per_month is None else round(cure.dollars_per_month, 2),
                    why=cure.why,
                )
                for cure in start.cures
            ),
            reason=_reason(start, self.zero),
            startup_budget_seconds=self.startup_budget_seconds,
        )


def model_starts(
    settings: ModelSettings,
    image: Image,
    sites: Iterable[tuple[str, StartingPlace]],
    book: PriceBook,
    *,
    zero: bool,
) -> ModelStarts | None:
    """None where nobody knows how large the weights are. `zero` says that no replica of it always runs."""
    weights = stored_gib(settings.engine.kind, settings.source)
    if weights is None:
        return None
    by_place: dict[StartingPlace, list[str]] = {}
    for site, place in sites:
        by_place.setdefault(place, []).append(site)
    within = _within(settings) if zero else None
    source = SOURCES[settings.source.kind]
    nodes = settings.accelerator.nodes if settings.accelerator else 1
    starts = {
        found[0]: _cold_start(
            ColdStartRequest(
                # With a spare there are not zero replicas.
                place=replace(place, can_keep_spares=False) if zero else place,
                engine=settings.engine.kind,
                image_gb=_image_gb(image),
                weights_gib=weights,
                moves_weights=source.moves_weights,
                from_bucket=place.keeps_weights or source.in_a_bucket,
                mounted=place.mounts_weights and not source.in_a_bucket,
                streamed=streams(settings),
                weights_cache_dollars_per_month=_cache_dollars(place, weights, book),
                spare_dollars_per_month=_spare_dollars(place, nodes, book),
            ),
            within,
        )
        for place, found in by_place.items()
    }
    return ModelStarts(
        starts=starts,
        places={found[0]: place for place, found in by_place.items()},
        sites={found[0]: tuple(found) for found in by_place.values()},
        zero=zero,
    )


def with_startup(container: ContainerSpec, budget_seconds: int) -> ContainerSpec:
    """The same container, whose start probe fails only after that long."""
    probes = container.probes
    failures = math.ceil(budget_seconds / probes.startup.period_seconds)
    return replace(container, probes=replace(probes, startup=replace(probes.startup, failures=failures)))


@lru_cache(maxsize=4096)
def _cold_start(request: ColdStartRequest, within_seconds: float | None) -> ColdStart:
    """Each start once, however many models have it."""
    return cold_start(request, within_seconds=within_seconds)


def _within(settings: ModelSettings) -> float:
    """How long somebody waits for a replica."""
    objective, hold = settings.objective, settings.hold
    first = (objective.time_to_first_token_seconds if objective else None) or 0.0
    return max(first, hold.seconds if hold else 0.0)


def _longest_hold(place: StartingPlace, longest_generation_seconds: int) -> int:
    """What a machine is given to end, without what a request takes after it was held."""
    if place.longest_drain_seconds is None:
        return LONGEST_HOLD_SECONDS
    after = PRE_STOP_SECONDS + longest_generation_seconds + GATEWAY_MARGIN_SECONDS
    return min(LONGEST_HOLD_SECONDS, max(0, place.longest_drain_seconds - after))


def _image_gb(image: Image) -> Seen:
    """The catalogue's, or of an image that it does not know, the largest."""
    known = engine_images()
    row = known.get(image.entry or "")
    if row is not None:
        return Seen(low=row.compressed_gb_low, high=row.compressed_gb_high, source=row.source, as_of=row.as_of)
    largest = max(known.values(), key=lambda row: row.compressed_gb_high)
    return Seen(
        low=largest.compressed_gb_low,
        high=largest.compressed_gb_high,
        source=f"not measured: as large as the largest known, that of {largest.image}",
        as_of=largest.as_of,
    )


def _cache_dollars(place: StartingPlace, weights_gib: float, book: PriceBook) -> float | None:
    """One volume with the weights; own disks cost nothing."""
    if place.cloud is None or place.region is None:
        return 0.0
    price = book.price(place.cloud, place.region, "block_storage", "on_demand")
    return price and price.dollars * weights_gib * GIB


def _spare_dollars(place: StartingPlace, nodes: int, book: PriceBook) -> float | None:
    """What one more replica costs, which has so many machines; None where a part of it has no price, and where machines
    are one's own."""
    if place.cloud is None or place.region is None:
        return None
    total = 0.0
    for item, amount in place.spare_items:
        price = book.price(place.cloud, place.region, item, cast("Purchase", place.spare_purchase))
        if price is None:
            return None
        total += price.dollars * amount * nodes * HOURS_PER_MONTH
    return total


def _phase(phase: Phase) -> ColdStartPhase:
    return ColdStartPhase(
        name=phase.name,
        seconds=round(phase.seconds_high, 1),
        seconds_low=round(phase.seconds_low, 1),
        why=phase.why,
        source=phase.source,
    )


def _reason(start: ColdStart, zero: bool) -> str:
    """Why these measures, or none."""
    if not start.chosen and zero:
        return "requests wait as long as it takes"
    if not start.chosen:
        return "replicas always run" + (", and nothing shorter is free" if start.cures else "")
    chosen = [cure for cure in start.cures if cure.name in start.chosen]
    if zero and any(cure.dollars_per_month != 0 for cure in chosen):
        return "the cheapest that keeps the start within what requests wait for"
    return "it costs nothing more"

"""What a change does to price, capacity and latency: the same figures of two plans, side by side."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.change_types import CapacityChange, Figure, LatencyChange, PriceChange
from infra.plan.plan_data import Data, at, mapping, number, sequence, text, whole


def figure(before: float | None, after: float | None, digits: int = 2) -> Figure:
    """Both, with their difference."""
    if before is None or after is None:
        return Figure(before=before, after=after, difference=None, percent=None)
    change = after - before
    return Figure(
        before=before,
        after=after,
        difference=round(change, digits),
        percent=round(change / before * 100, 1) if before else None,
    )


def price_change(before: Data, after: Data) -> PriceChange:
    """Of what clouds charge."""

    def of(per: str, end: str) -> Figure:
        return figure(_dollars(before, per, end), _dollars(after, per, end))

    return PriceChange(
        per_hour_min=of("dollars_per_hour", "min"),
        per_hour_max=of("dollars_per_hour", "max"),
        per_month_min=of("dollars_per_month", "min"),
        per_month_max=of("dollars_per_month", "max"),
    )


def capacity_changes(before: Data, after: Data) -> tuple[CapacityChange, ...]:
    """Each model that either plan can tell of, and all together. A model that is not there does nothing."""
    names = list(dict.fromkeys([*mapping(before, "models"), *mapping(after, "models")]))
    found = {name: (_capacity(before, name), _capacity(after, name)) for name in names}
    rows = [_capacity_change(name, *both) for name, both in found.items() if any(most for _, most in both)]
    if not rows:
        return ()
    together = [_sum([both[side] for both in found.values()]) for side in (0, 1)]
    return (*rows, _capacity_change(None, *together)) if len(found) > 1 else tuple(rows)


def latency_changes(before: Data, after: Data) -> Iterator[LatencyChange]:
    """Each model that both plans have, where either can tell."""
    for name in mapping(before, "models"):
        if name not in mapping(after, "models"):
            continue
        old, new = (mapping(plan, "models", name, "performance") for plan in (before, after))
        if old or new:
            yield LatencyChange(
                model=name,
                first_token_low=_of(old, new, "time_to_first_token_ms_low"),
                first_token_high=_of(old, new, "time_to_first_token_ms_high"),
                per_output_token=_of(old, new, "time_per_output_token_ms"),
            )


def not_compared(before: Data, after: Data) -> Iterator[str]:
    """Figures that a plan does not tell, one sentence each."""
    if before and "price" not in before:
        yield "price: the other plan has none, it is of a version that did not price"
    for side, plan in (("before", before), ("after", after)):
        count = sum(at(line, "dollars_per_month") is None for line in sequence(plan, "price", "lines"))
        if count:
            yield f"price: {count} line{'' if count == 1 else 's'} {side} without a price, in no sum"
    for name in mapping(before, "models"):
        if name in mapping(after, "models"):
            known = [bool(mapping(plan, "models", name, "performance")) for plan in (before, after)]
            if not all(known):
                when = "before and after" if not any(known) else "before" if known[1] else "after"
                yield f"capacity and latency of the model `{name}`: not known {when}"


def serving_replicas(plan: Data, model: str, end: str) -> int:
    """Replicas that share a model's load: a site that stands by, or could go, is not counted on."""
    spare = ("standby", "partner")
    standing_by = {text(link, "target") for link in sequence(plan, "links") if text(link, "reason") in spare}
    sites = mapping(plan, "sites")
    placed = [mapping(site, "replicas", model) for name, site in sites.items() if name not in standing_by]
    if not any(placed):  # a plan that does not say where they are
        return whole(plan, "models", model, "replicas", end)
    return sum(whole(replicas, end) for replicas in placed)


def _dollars(plan: Data, per: str, end: str) -> float | None:
    """Nothing is charged where all is on own machines, which a plan says with null; without the key nobody knows."""
    if plan and "price" not in plan:
        return None
    return number(plan, "price", per, end) if mapping(plan, "price") else 0.0


Ends = tuple[float | None, float | None]


def _capacity(plan: Data, name: str) -> Ends:
    if name not in mapping(plan, "models"):
        return 0.0, 0.0
    speed = number(plan, "models", name, "performance", "requests_per_second")
    if speed is None:
        return None, None
    least, most = (serving_replicas(plan, name, end) * speed for end in ("min", "max"))
    return round(least, 3), round(most, 3)


def _capacity_change(name: str | None, before: Ends, after: Ends) -> CapacityChange:
    return CapacityChange(
        model=name,
        at_min_replicas=figure(before[0], after[0], 3),
        at_max_replicas=figure(before[1], after[1], 3),
    )


def _sum(ends: list[Ends]) -> Ends:
    """Not known as soon as one is not."""
    low, high = ([end[side] for end in ends] for side in (0, 1))
    return _added(low), _added(high)


def _added(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if len(known) == len(values) else None


def _of(old: Data, new: Data, key: str) -> Figure:
    return figure(number(old, key), number(new, key))

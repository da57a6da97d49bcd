"""From two plans as plain data to what is different between them, and what that does. Pure; neither is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.plan.change_types import Figure, PlanChanges
from infra.plan.changed_figures import capacity_changes, latency_changes, not_compared, price_change
from infra.plan.changed_things import client_changes, few, model_changes, other_changes, site_changes
from infra.plan.plan_data import NOTHING, Data, different_leaves, texts
from infra.plan.requests_in_flight import requests_in_flight
from infra.plan.weaker import weaker


def compare(before: Data | None, after: Data, against: str, notes: tuple[str, ...] = ()) -> PlanChanges:
    """What the second plan changes. `before` is None where there was no such stack: then everything is new.

    `against` names the first one for readers; `notes` are what its reader has to say of it.
    """
    old = NOTHING if before is None else before
    # A plan of before they were told apart has them among its warnings.
    known = {*texts(old, "warnings"), *texts(old, "weakenings")}
    weak = set(texts(after, "weakenings"))
    new = [warning for warning in texts(after, "warnings") if warning not in known]
    found = PlanChanges(
        stack=str(after["stack"]),
        against=against,
        nothing=False,
        weaker=tuple(weaker(old, after)),
        new_weakenings=tuple(warning for warning in new if warning in weak),
        new_warnings=tuple(warning for warning in new if warning not in weak),
        gone_warnings=tuple(warning for warning in texts(old, "warnings") if warning not in texts(after, "warnings")),
        sites=site_changes(old, after),
        models=model_changes(old, after),
        clients=client_changes(old, after),
        others=other_changes(old, after),
        price=price_change(old, after),
        capacity=capacity_changes(old, after),
        latency=tuple(latency_changes(old, after)),
        in_flight=tuple(requests_in_flight(old, after)),
        not_compared=(*notes, *not_compared(old, after)),
    )
    if before is None or _says_something(found):
        return found
    # Whatever no part above knows is a change all the same.
    left = tuple(few(different_leaves(before, after)))
    if left:
        return replace(found, others=left)
    # What neither plan tells has not changed either, as far as anybody can say.
    return replace(found, nothing=True, not_compared=notes)


def _says_something(found: PlanChanges) -> bool:
    named = (
        found.weaker,
        found.new_weakenings,
        found.new_warnings,
        found.gone_warnings,
        found.sites,
        found.models,
        found.clients,
    )
    return any((*named, found.others, found.in_flight)) or any(
        figure.before != figure.after for figure in _figures(found)
    )


def _figures(found: PlanChanges) -> Iterator[Figure]:
    price = found.price
    yield from (price.per_hour_min, price.per_hour_max, price.per_month_min, price.per_month_max)
    for capacity in found.capacity:
        yield from (capacity.at_min_replicas, capacity.at_max_replicas)
    for latency in found.latency:
        yield from (latency.first_token_low, latency.first_token_high, latency.per_output_token)

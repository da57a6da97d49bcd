"""What a change does to requests that are running: from which fields differ and how long the old ones may drain.

It is said of what a plan shows. Whether a cloud changes a thing in place or makes it anew is `pulumi preview`'s to say;
here only what is always a new place counts as one.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.change_types import InFlight
from infra.plan.changed_things import clients
from infra.plan.plan_data import (
    Data,
    at,
    gateway_file,
    ladder,
    mapping,
    node_pools,
    number,
    text,
    texts,
    whole,
)
from infra.plan.replicas_in_flight import of_model, removed_model, site_facts, some, time_to_end

# Another one of these is another place: nothing there can be changed into it.
_PLACE = {
    "platform": ("platform",),
    "project": ("details", "project"),
    "region": ("details", "region"),
    "context": ("details", "context"),
    "cluster's name": ("details", "cluster", "name"),
    "network": ("details", "network", "cidr"),
    "range for pods": ("details", "network", "pods"),
    "range for services": ("details", "network", "services_cidr"),
}


def requests_in_flight(before: Data, after: Data) -> Iterator[InFlight]:
    """One row for each model, site and gateway whose change requests could notice, in the plan's order."""
    if not before:
        return
    facts = site_facts(before, after)
    for name, model in mapping(before, "models").items():
        if name in mapping(after, "models"):
            yield from of_model(name, before, after, facts)
        else:
            yield removed_model(name, model, after)
    for name in mapping(before, "remote_models"):
        if name not in {**mapping(after, "remote_models"), **mapping(after, "models")}:
            yield removed_model(name, mapping(before, "remote_models", name), after)
    old, new = mapping(before, "sites"), mapping(after, "sites")
    deployed, still = texts(before, "deployed_sites"), texts(after, "deployed_sites")
    for name, site in old.items():
        yield from _of_site(name, site, new.get(name), new)
        if still and name in new and name in deployed and name not in still:
            yield _given_up(name, site)
    yield from _of_gateways(before, after)


def _of_site(name: str, old: Data, new: object, sites: Data) -> Iterator[InFlight]:
    what, seconds = f"site `{name}`", _site_seconds(old)
    endpoint = text(old, "endpoint")
    if new is None:
        shared = [other for other, site in sites.items() if endpoint and text(site, "endpoint") == endpoint]
        yield InFlight(
            what=what,
            effect="removed",
            seconds=seconds,
            text=f"running answers have up to {time_to_end(seconds)} to end; "
            + (f"{endpoint} is answered by {some(shared)}" if shared else f"{endpoint} no longer answers"),
        )
        return
    other = [words for words, path in _PLACE.items() if _both_other(at(old, *path), at(new, *path))]
    if other:
        yield InFlight(
            what=what,
            effect="interrupted",
            seconds=seconds,
            text=f"another {' and '.join(other)} is another place, and cannot be rolled: the old one ends its answers, "
            f"up to {time_to_end(seconds)}, and clients meet the new one when their names lead there",
        )
        return
    if _both_other(endpoint, text(new, "endpoint")):
        yield InFlight(
            what=what,
            effect="interrupted",
            seconds=seconds,
            text=f"clients must call {text(new, 'endpoint')} instead of {endpoint}; running answers have up to "
            f"{time_to_end(seconds)} to end",
        )
    yield from _of_machines(what, old, mapping(new))


def _given_up(name: str, site: Data) -> InFlight:
    """A site that is another stack's from now on, or nobody's."""
    seconds = _site_seconds(site)
    return InFlight(
        what=f"site `{name}`",
        effect="removed",
        seconds=seconds,
        text="this stack no longer deploys it (`slipway:site`): what it had there goes, and running answers have up to "
        f"{time_to_end(seconds)} to end",
    )


def _of_machines(what: str, old: Data, new: Data) -> Iterator[InFlight]:
    """Node pools whose machines are others; pods move off the old ones."""
    pools = node_pools(new)
    moved = [
        name
        for name, pool in node_pools(old).items()
        if name in pools and any(at(pool, key) != at(pools[name], key) for key in ("shape", "purchase"))
    ]
    if moved:
        seconds = whole(ladder(old), "node_grace_seconds") or _site_seconds(old)
        yield InFlight(
            what=what,
            effect="rolling",
            seconds=seconds,
            text=f"other machines in the node pools {some(moved)}: what runs on an old one ends its answers first, up "
            f"to {time_to_end(seconds)}",
        )


def _of_gateways(before: Data, after: Data) -> Iterator[InFlight]:
    """A gateway takes its file over while it serves."""
    old, new = mapping(before, "sites"), mapping(after, "sites")
    both = [name for name in old if name in new]
    reloaded = [
        name for name in both if (was := gateway_file(old[name])) and (now := gateway_file(new[name])) and was != now
    ]
    if reloaded:
        left = clients(after)
        gone = [name for name in clients(before) if name not in left]
        yield InFlight(
            what=f"gateway of {some(reloaded)}",
            effect="reload",
            seconds=None,
            text="its configuration is other: a reload, nothing is restarted and no request ends"
            + (f"; new requests with a key of {some(gone)} get 401" if gone else ""),
        )
    fewer = [name for name in both if whole(new[name], "gateways") < whole(old[name], "gateways")]
    if fewer:
        seconds = max((_site_seconds(old[name]) or 0 for name in fewer), default=0)
        yield InFlight(
            what=f"gateway of {some(fewer)}",
            effect="drain",
            seconds=seconds or None,
            text=f"fewer gateways: one that goes ends its answers first, up to {time_to_end(seconds or None)}",
        )


def _both_other(was: object, now: object) -> bool:
    return was is not None and now is not None and was != now


def _site_seconds(site: Data) -> int | None:
    """Until the last gateway of a site has ended."""
    found = number(ladder(site), "gateway_grace_seconds")
    if found is None:
        found = number(site, "details", "grace_seconds")
    return None if found is None else int(found)

"""What a change of a model does to the requests that run on its replicas: rolled, in place, with a gap, or removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.plan.change_types import InFlight
from infra.plan.changed_figures import serving_replicas
from infra.plan.changed_things import weights
from infra.plan.plan_data import Data, at, different_leaves, ladder, mapping, node_pools, number, sequence, span, whole
from infra.problems import listing

MOST_NAMED = 8
# The longest of these that a plan tells is when the last answer of a replica has ended.
_REPLICA_DRAIN = (
    "pod_grace_seconds",
    "process_group_grace_seconds",
    "gateway_grace_seconds",
    "engine_shutdown_seconds",
)


def time_to_end(seconds: int | None) -> str:
    """How long running answers have, in words."""
    return "a time this plan does not tell" if seconds is None else f"{seconds} s"


def some(names: list[str]) -> str:
    """All of a few names, and how many more there are."""
    left = len(names) - MOST_NAMED
    return listing(names) if left <= 0 else f"{listing(names[:MOST_NAMED])} and {left} more"


def removed_model(name: str, model: object, after: Data) -> InFlight:
    """A model that no later plan has."""
    seconds = _drain_seconds(model)
    left = [*mapping(after, "models"), *mapping(after, "remote_models")]
    return InFlight(
        what=f"model `{name}`",
        effect="removed",
        seconds=seconds,
        text=f"running answers have up to {time_to_end(seconds)} to end; new requests for it get 404 `model_not_found`"
        + (f", what is left is {some(left)}" if left else ""),
    )


@dataclass(frozen=True, kw_only=True)
class SiteFacts:
    """What is asked of every site for every model, found once: where some model has other replicas, and which places
    never promised to wait for a drain."""

    other_replicas: frozenset[str]
    not_guaranteed: frozenset[str]


def site_facts(before: Data, after: Data) -> SiteFacts:
    """Of the sites that both plans have."""
    old, new = mapping(before, "sites"), mapping(after, "sites")
    both = [name for name in old if name in new]
    return SiteFacts(
        other_replicas=frozenset(
            name for name in both if mapping(old[name], "replicas") != mapping(new[name], "replicas")
        ),
        not_guaranteed=frozenset(name for name in both if ladder(old[name]).get("guaranteed") is False),
    )


def of_model(name: str, before: Data, after: Data, facts: SiteFacts) -> Iterator[InFlight]:
    """A model that both plans have. Nothing where only the gateway's file is other: that is the gateway's row."""
    old, new = mapping(before, "models", name), mapping(after, "models", name)
    what, seconds = f"model `{name}`", _drain_seconds(old)
    was_on, now_on = _sites(before, name), _sites(after, name)
    kept = set(now_on)
    sites = [site for site in was_on if site in kept]
    why = list(_restarts(old, new))
    if why and sites:
        yield _replaced(name, before, after, sites, why, facts)
    left = [site for site in was_on if site not in kept and site in mapping(after, "sites")]
    if left:
        yield InFlight(
            what=what,
            effect="drain" if sites else "removed",
            seconds=seconds,
            text=f"leaves {some(left)}: running answers there have up to {time_to_end(seconds)} to end"
            + (f"; new ones are answered on {some(now_on)}" if now_on else ""),
        )
    if why:
        return
    fewer = [
        site
        for site in sites
        if site in facts.other_replicas
        and _fewer(mapping(before, "sites", site, "replicas", name), mapping(after, "sites", site, "replicas", name))
    ]
    if fewer:
        yield InFlight(
            what=what,
            effect="drain",
            seconds=seconds,
            text=f"fewer replicas on {some(fewer)}: one that goes ends its answers first, up to {time_to_end(seconds)}",
        )
    elif span(old, "replicas") != span(new, "replicas"):
        yield InFlight(what=what, effect="nothing", seconds=None, text="more replicas: nothing is restarted")


def _restarts(old: Data, new: Data) -> Iterator[str]:
    """What of a change a running engine cannot take over, in words."""
    if at(old, "engine") != at(new, "engine"):
        yield "engine"
        return
    if weights(old) != weights(new):
        yield "weights"
    if at(old, "accelerator") != at(new, "accelerator") or (at(old, "nodes") or 1) != (at(new, "nodes") or 1):
        yield "accelerator"
    # A plan without one of them cannot say.
    for key, words in (("engine_arguments", "arguments"), ("container", "container")):
        was, now = at(old, key), at(new, key)
        if was is None or now is None:
            continue
        if key == "container":
            known = mapping(was).keys() & mapping(now).keys() - {"arguments"}
            if any(different_leaves(at(was, "image"), at(now, "image"))):
                yield "image"
            if any(was[part] != now[part] for part in known - {"image"}):
                yield words
        elif was != now:
            yield words


def _replaced(name: str, before: Data, after: Data, sites: list[str], why: list[str], facts: SiteFacts) -> InFlight:
    """Replaced with one more replica beside the others where there is a machine for it, in place where there is none,
    and not without a gap where the only one must end first."""
    old = mapping(before, "models", name)
    seconds = _drain_seconds(old)
    because = f"change of {_words(why)}"
    rooms = {site: _room(before, after, site, name) for site in sites}
    cramped = [site for site, room in rooms.items() if room is not None and room < 1 and _least(after, site, name)]
    alone = [site for site in cramped if _least(after, site, name) == 1]
    short = [site for site in sites if site in facts.not_guaranteed]
    drained = f"each ends its answers first, up to {time_to_end(seconds)}"
    drained += f" (NOT GUARANTEED on {some(short)}: the place may end one sooner)" if short else ""
    if alone:
        return InFlight(
            what=f"model `{name}`",
            effect="interrupted",
            seconds=seconds,
            text=f"{because}: cannot be rolled on {some(alone)}: no machine for a second replica, so the only one "
            f"ends (up to {time_to_end(seconds)}) before the new one starts; until then new requests find nobody there",
        )
    if cramped:
        least = serving_replicas(after, name, "min")
        return InFlight(
            what=f"model `{name}`",
            effect="rolling",
            seconds=seconds,
            text=f"{because}: replaced in place on {some(cramped)}, where no machine is left for one more; {drained}; "
            f"meanwhile {least - 1} of {least} replicas serve",
        )
    unknown = [site for site, room in rooms.items() if room is None and _least(after, site, name)]
    return InFlight(
        what=f"model `{name}`",
        effect="rolling",
        seconds=seconds,
        text=f"{because}: replicas are replaced one after the other, a new one serves before an old one goes; {drained}"
        + (f"; needs room for one more replica on {some(unknown)}, which this plan cannot see" if unknown else ""),
    )


def _room(before: Data, after: Data, site: str, model: str) -> int | None:
    """For how many more replicas a node pool may grow while the fewest run. None where machines are not the plan's."""
    was, now = (_pool(mapping(plan, "sites", site), model) for plan in (before, after))
    if now is None:
        return None
    if was is None or any(at(was, key) != at(now, key) for key in ("name", "shape")):
        return whole(now, "max_nodes") // _nodes(after, model)  # other machines: the old ones are not in the way
    running = sum(_least(after, site, str(other)) * _nodes(after, str(other)) for other in sequence(now, "models"))
    fewest = whole(now, "min_nodes")
    together = max(1, running // fewest) if fewest else 1
    return (whole(now, "max_nodes") * together - running) // _nodes(after, model)


def _pool(site: Data, model: str) -> Data | None:
    return next((pool for pool in node_pools(site).values() if model in sequence(pool, "models")), None)


def _nodes(plan: Data, model: str) -> int:
    """Machines of one replica."""
    return whole(plan, "models", model, "nodes") or 1


def _sites(plan: Data, model: str) -> list[str]:
    return [name for name, site in mapping(plan, "sites").items() if model in mapping(site, "replicas")]


def _least(plan: Data, site: str, model: str) -> int:
    return whole(plan, "sites", site, "replicas", model, "min")


def _fewer(was: Data, now: Data) -> bool:
    return any(whole(now, end) < whole(was, end) for end in ("min", "max"))


def _drain_seconds(model: object) -> int | None:
    drain = mapping(model, "drain")
    return max((int(seconds) for key in _REPLICA_DRAIN if (seconds := number(drain, key)) is not None), default=None)


def _words(words: list[str]) -> str:
    """`weights, image and arguments`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

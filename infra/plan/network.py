"""Network: no range of a site overlaps another site's or what is reserved, and each holds what its site may become.

A subnet in use can neither move nor shrink. So each cloud puts its blocks at fixed places of one range (in its own
folder), a range depends on nothing but its own site, and only this check sees all of them: what was there first stays,
and a refusal names the nearest range that works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.address_space import nearest_free
from infra.platforms.base import Range, Room, SiteRequest
from infra.problems import Problem


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A range, who has it, and the path of the field that says so. `room` is None for what exists as it is. One that
    `follows` another is not judged while that one is refused."""

    where: str
    owner: str
    network: IPv4Network
    room: Room | None = None
    follows: str | None = None


def taken(request: SiteRequest, ranges: Iterable[Range]) -> Iterator[Taken]:
    """The ranges of a site."""
    where = f"{request.where}.platform."
    for one in ranges:
        yield Taken(
            where=where + one.field,
            owner=f"of the site `{request.site}`",
            network=IPv4Network(one.cidr),
            room=one.room,
            follows=where + one.follows if one.follows else None,
        )


def reserved(ranges: Mapping[str, str]) -> Iterator[Taken]:
    """What the user keeps for other networks."""
    for name, cidr in ranges.items():
        where = dotted(DEPLOYMENT_KEY, ("reserved_ranges", name))
        yield Taken(where=where, owner=f"reserved as `{name}`", network=IPv4Network(cidr))


def network_problems(sites: Sequence[Taken], kept: Sequence[Taken] = ()) -> Iterator[Problem]:
    """Every range that gives way to another, is too small, too large or not private. All proposals work together: no
    two overlap."""
    every = [*kept, *sites]
    first = _giving_way(every, len(kept))
    proposed: list[IPv4Network] = []
    refused: set[str] = set()
    for place, one in enumerate(every):
        faults = [*_faults(one)]
        if place in first:
            other = every[first[place]]
            found = f"`{one.network}`, which overlaps `{other.network}` {other.owner}"
            faults.append((found, "a range that no other site has and nobody reserved"))
        if faults and one.follows not in refused:
            refused.add(one.where)
            others = [other.network for number, other in enumerate(every) if number != place]
            remedy = _remedy(one, others, proposed)
            for found, allowed in faults:
                yield Problem(where=one.where, found=found, allowed=allowed, remedy=remedy)


def _giving_way(every: Sequence[Taken], kept: int) -> dict[int, int]:
    """By its place, each range that overlaps one which comes before it, and the first such: what is reserved comes
    first, then what exists, then what is chosen, as it is written."""

    def rank(place: int) -> tuple[bool, bool, int]:
        return place >= kept, every[place].room is not None, place

    found: dict[int, int] = {}
    around: list[int] = []
    # Ranges are either inside one another or apart: those around the next one are a stack.
    for place in sorted(range(len(every)), key=lambda one: (every[one].network.network_address, every[one].network)):
        while around and every[around[-1]].network.broadcast_address < every[place].network.network_address:
            around.pop()
        for other in around:
            stays, gives = sorted((place, other), key=rank)
            if gives >= kept:
                found[gives] = min(found.get(gives, stays), stays, key=rank)
        around.append(place)
    return found


def _faults(one: Taken) -> Iterator[tuple[str, str]]:
    """What is wrong with a range by itself: what was found, and what is allowed."""
    room = one.room
    if room is None:
        return
    if not room.largest <= one.network.prefixlen <= room.smallest:
        lengths = f"/{room.largest}" if room.smallest <= room.largest else f"/{room.largest} to /{room.smallest}"
        yield f"`{one.network}`, {one.network.num_addresses:,} addresses", f"{lengths}: {room.why}"
    if not any(one.network.subnet_of(space) for space in room.spaces):
        yield f"`{one.network}`, which is not private", f"inside {', '.join(f'`{space}`' for space in room.spaces)}"


def _remedy(one: Taken, others: Sequence[IPv4Network], proposed: list[IPv4Network]) -> str:
    room = one.room
    if room is None:
        return "correct it, or leave one of the two out where they are never connected"
    if room.smallest < room.largest:
        return "lower how many replicas and gateways there may be: no range is large enough"
    length = max(room.largest, min(room.smallest, one.network.prefixlen))
    near = nearest_free(one.network.network_address, length, [*others, *proposed], room.spaces)
    if near is None:
        return "reserve less: no private range of that size is left"
    proposed.append(near)
    return f"the nearest range that works is `{near}`"

"""Network: nothing overlaps, all fits at its largest, nothing that is there moves, and a refusal names what works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.load import validate
from infra.plan.address_space import PRIVATE, RFC_1918, block, nearest_free, prefix_length
from infra.plan.build import build_plan
from infra.plan.network import Taken, network_problems
from infra.plan.types import SitePlan
from infra.platforms.base import Room
from infra.problems import Problem, Refused
from infra.stack_file import read_stack_file
from tests.unit.documents import CORPUS, deployment_of, examples

NEAREST = "the nearest range that works is `"


@st.composite
def blocks(draw: st.DrawFn, shortest: int = 8, longest: int = 28) -> IPv4Network:
    """A private range, often near others so that overlaps happen."""
    length = draw(st.integers(max(shortest, 8), longest))
    base = draw(st.sampled_from(["10.0.0.0", "10.255.0.0", "172.16.0.0", "172.31.255.0", "192.168.0.0", "100.64.0.0"]))
    return IPv4Network((int(IPv4Address(base)) + draw(st.integers(0, 2**20)), length), strict=False)


rooms = st.one_of(
    st.none(),
    st.builds(
        lambda largest, more, spaces: Room(largest=largest, smallest=largest + more, why="tests", spaces=spaces),
        st.integers(12, 20),
        st.integers(0, 8),
        st.sampled_from([PRIVATE, RFC_1918]),
    ),
)
several = st.lists(st.tuples(st.one_of(blocks(), blocks(14, 16)), rooms), max_size=6).map(
    lambda found: [
        Taken(where=f"site-{number}", owner=f"of `{number}`", network=network, room=room)
        for number, (network, room) in enumerate(found)
    ]
)
kept = st.lists(blocks(), max_size=3).map(
    lambda found: [Taken(where=f"kept-{n}", owner=f"kept as `{n}`", network=one) for n, one in enumerate(found)]
)


def proposals(problems: Sequence[Problem]) -> dict[str, IPv4Network]:
    return {p.where: IPv4Network(p.remedy[len(NEAREST) : -1]) for p in problems if p.remedy.startswith(NEAREST)}


@given(several, kept)
@examples(400)
def test_what_is_refused_is_exactly_what_has_a_fault(sites: list[Taken], reserved: list[Taken]) -> None:
    refused = {problem.where for problem in network_problems(sites, reserved)}
    left = [*reserved, *(site for site in sites if site.where not in refused)]
    chosen = [site for site in left if site.room]
    assert not [one for one, other in combinations(left, 2) if one.network.overlaps(other.network) and one in sites]
    for site in chosen:
        assert site.room
        assert site.room.largest <= site.network.prefixlen <= site.room.smallest
        assert any(site.network.subnet_of(space) for space in site.room.spaces)
    for site in sites:
        others = [other for other in (*reserved, *sites) if other is not site]
        apart = not any(site.network.overlaps(other.network) for other in others)
        alone = site.room is None or (
            site.room.largest <= site.network.prefixlen <= site.room.smallest
            and any(site.network.subnet_of(space) for space in site.room.spaces)
        )
        if apart and alone:
            assert site.where not in refused
        if not alone:
            assert site.where in refused


@given(several, kept, st.tuples(blocks(), rooms))
@examples(200)
def test_a_site_at_the_end_is_never_a_reason_to_move_what_was_there(
    sites: list[Taken], reserved: list[Taken], last: tuple[IPv4Network, Room | None]
) -> None:
    more = Taken(where="last", owner="of `last`", network=last[0], room=last[1] or Room(largest=8, smallest=28, why=""))
    before = {problem.where for problem in network_problems(sites, reserved)}
    after = {problem.where for problem in network_problems([*sites, more], reserved)}
    assert after - {"last"} == before


@given(several, kept)
@examples(200)
def test_the_proposed_ranges_work(sites: list[Taken], reserved: list[Taken]) -> None:
    problems = [*network_problems(sites, reserved)]
    proposed = proposals(problems)
    mended = [replace(site, network=proposed.get(site.where, site.network)) for site in sites]
    stuck = {problem.where for problem in problems} - {*proposed}
    assert {problem.where for problem in network_problems(mended, reserved)} <= stuck


@given(
    st.integers(0, 255).map(lambda n: IPv4Address(int(IPv4Address("10.0.0.0")) + n)),
    st.integers(26, 32),
    st.lists(
        st.builds(
            lambda n, length: IPv4Network((0x0A000000 + n, length), strict=False),
            st.integers(0, 255),
            st.integers(25, 32),
        ),
        max_size=4,
    ),
)
@examples(300)
def test_nearest_is_nearest(wanted: IPv4Address, length: int, taken: list[IPv4Network]) -> None:
    space = IPv4Network("10.0.0.0/24")
    free = [block for block in space.subnets(new_prefix=length) if not any(block.overlaps(other) for other in taken)]
    found = nearest_free(wanted, length, taken, [space])
    assert (found is None) == (not free)
    if found:
        assert found in free
        assert abs(int(found.network_address) - int(wanted)) == min(
            abs(int(block.network_address) - int(wanted)) for block in free
        )


@given(bits=st.integers(8, 20), more=st.integers(1, 8))
@examples(200)
def test_blocks_fill_a_range_and_never_overlap(bits: int, more: int) -> None:
    whole = IPv4Network((int(IPv4Address("10.0.0.0")), bits))
    assert [block(whole, more, index) for index in range(2**more)] == list(whole.subnets(prefixlen_diff=more))
    with pytest.raises(IndexError):
        block(whole, more, 2**more)


@pytest.mark.parametrize(("addresses", "length"), [(1, 32), (2, 31), (3, 30), (256, 24), (257, 23)])
def test_prefix_length(addresses: int, length: int) -> None:
    assert prefix_length(addresses) == length


# What follows is of the clouds: their folders say which block is where, and how much each must hold.


def document(stack: str, **changed: Any) -> Any:
    deployment = deployment_of(read_stack_file(CORPUS.parents[1] / f"Pulumi.{stack}.yaml").values)
    if stack == "prod":
        deployment["topology"] = {"kind": "ha"}
        del deployment["sites"]["west"]
    site = next(iter(deployment["sites"].values()))
    site["platform"] |= changed
    return deployment


def planned(deployment: Any) -> SitePlan:
    return next(iter(build_plan(validate(deployment, "case", {}), "case").sites.values()))


def refusals(deployment: Any) -> Sequence[Problem]:
    with pytest.raises(Refused) as found:
        planned(deployment)
    return found.value.problems


def ranges_of(site: SitePlan) -> dict[str, IPv4Network]:
    network = site.details.network
    if site.platform == "gcp":
        return {name: IPv4Network(getattr(network, name)) for name in ("nodes", "pods", "services", "proxies", "api")}
    subnets = {name: IPv4Network(subnet.cidr) for name, subnet in network.subnets.items()}
    return {**subnets, "services": IPv4Network(network.services_cidr)}


spaces = st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]).map(IPv4Network)


@st.composite
def networks(draw: st.DrawFn, largest: int, smallest: int = 19) -> IPv4Network:
    space = draw(spaces)
    length = draw(st.integers(max(space.prefixlen, largest), smallest))
    return block(space, length - space.prefixlen, draw(st.integers(0, 2 ** (length - space.prefixlen) - 1)))


@given(
    cidr=networks(16),
    zones=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=6, unique=True),
    replicas=st.integers(2, 140),
)
@examples(60)
def test_aws_holds_its_most_nodes_in_any_zone_and_a_zone_more_moves_nothing(
    cidr: IPv4Network, zones: list[str], replicas: int
) -> None:
    def asked(letters: list[str]) -> Any:
        changed = {"zones": [f"us-east-1{letter}" for letter in letters], "network": {"cidr": str(cidr)}}
        deployment = document("prod", **changed)
        deployment["models"]["chat"]["scaling"] = {"min_replicas": 2, "max_replicas": replicas}
        return deployment

    # One for each replica, two for each gateway, and one while nodes are exchanged; each with two blocks of 16 for 32
    # pods, one that is ready and one that is broken up; two more are broken up by what AWS keeps.
    blocks_ = (replicas + 2 * len(zones) + 1) * 4 + 2
    if blocks_ * 16 > 2 ** (32 - 3 - cidr.prefixlen):
        problem = next(one for one in refusals(asked(zones)) if one.where.endswith("network.cidr"))
        if problem.remedy.startswith(NEAREST):
            near = IPv4Network(problem.remedy[len(NEAREST) : -1])
            assert near.prefixlen < cidr.prefixlen
            cidr = near
        else:
            assert blocks_ * 16 > 2 ** (32 - 3 - 16)
            return
    site = planned(asked(zones))
    found = ranges_of(site)
    assert len(found) == 3 * len(zones) + 1
    assert not [one for one, other in combinations(found.values(), 2) if one.overlaps(other)]
    for name, one in found.items():
        assert one.subnet_of(cidr) != (name == "services")
        if name.startswith("private"):
            assert one.num_addresses >= blocks_ * 16
        elif name != "services":
            assert one.num_addresses - 5 >= 16
            assert one.prefixlen <= 27
    assert found["services"].is_private
    assert 12 <= found["services"].prefixlen <= 24
    assert not found["services"].subnet_of(IPv4Network("100.64.0.0/10"))
    if len(zones) > 2:
        fewer = ranges_of(planned(asked(zones[:-1])))
        assert fewer == {name: found[name] for name in fewer}


@given(st.tuples(networks(16, 17), networks(16, 17)))
@examples(40)
def test_services_of_two_sites_never_meet_where_their_networks_do_not(pair: tuple[IPv4Network, IPv4Network]) -> None:
    one, other = (ranges_of(planned(document("prod", network={"cidr": str(cidr)})))["services"] for cidr in pair)
    if any(pair[0].subnet_of(space) and pair[1].subnet_of(space) for space in PRIVATE):
        assert one.overlaps(other) == pair[0].overlaps(pair[1])


@given(cidr=networks(14), replicas=st.integers(1, 400))
@examples(60)
def test_google_holds_its_most_nodes(cidr: IPv4Network, replicas: int) -> None:
    deployment = document("staging", network={"cidr": str(cidr)})
    deployment["models"]["chat"]["scaling"] = {"min_replicas": 1, "max_replicas": replicas}
    # Each with twice 110 pods, rounded up to a /24, in half of the range.
    nodes = replicas + 4 + 1
    if nodes * 256 > 2 ** (32 - 1 - cidr.prefixlen):
        (problem,) = refusals(deployment)
        if not problem.remedy.startswith(NEAREST):
            assert nodes * 256 > 2 ** (32 - 1 - 14) or cidr.subnet_of(IPv4Network("192.168.0.0/16"))
            return
        cidr = IPv4Network(problem.remedy[len(NEAREST) : -1])
        deployment["sites"]["main"]["platform"]["network"]["cidr"] = str(cidr)
    found = ranges_of(planned(deployment))
    assert not [one for one, other in combinations(found.values(), 2) if one.overlaps(other)]
    assert all(one.subnet_of(cidr) for one in found.values())
    assert found["pods"].num_addresses >= nodes * 256
    assert found["nodes"].num_addresses - 4 >= nodes
    assert found["services"].num_addresses >= 65
    assert (found["proxies"].prefixlen, found["api"].prefixlen) == (23, 28)


def test_the_places_of_both_clouds_by_hand() -> None:
    """10.40.0.0/16 in eighths of 8,192: zone a is the first, d the fourth; a 256th each for the small ones; services a
    sixteenth of the way into 172.16.0.0/12, since 10.40 is 40/256 of the way into 10.0.0.0/8: 40 blocks of /20."""
    found = ranges_of(planned(document("prod")))
    assert {name: str(one) for name, one in found.items()} == {
        "private-a": "10.40.0.0/19",
        "private-b": "10.40.32.0/19",
        "private-d": "10.40.96.0/19",
        "public-a": "10.40.192.0/24",
        "public-b": "10.40.193.0/24",
        "public-d": "10.40.195.0/24",
        "internal-a": "10.40.224.0/24",
        "internal-b": "10.40.225.0/24",
        "internal-d": "10.40.227.0/24",
        "services": "172.18.128.0/20",
    }
    site = planned(document("prod"))
    # 8,192 addresses are 512 blocks; without two, 127 times four; one of these is for an exchange.
    assert site.summary["network"] == (
        "10.40.0.0/16 with room for 126 nodes in a zone, services 172.18.128.0/20, NAT per_zone"
    )
    site = planned(document("staging"))
    assert {name: str(one) for name, one in ranges_of(site).items()} == {
        "pods": "10.60.0.0/17",
        "nodes": "10.60.128.0/19",
        "services": "10.60.160.0/19",
        "proxies": "10.60.192.0/23",
        "api": "10.60.223.240/28",
    }
    assert "with room for 127 nodes" in site.summary["network"]


def test_services_of_eks_can_be_chosen_and_are_checked_like_any_range() -> None:
    deployment = document("prod", network={"cidr": "10.40.0.0/16", "services_cidr": "10.41.0.0/22"})
    assert str(ranges_of(planned(deployment))["services"]) == "10.41.0.0/22"
    for wrong, remedy in (("10.40.16.0/22", "10.39.252.0/22"), ("10.41.0.0/26", "10.41.0.0/24")):
        deployment["sites"]["main"]["platform"]["network"]["services_cidr"] = wrong
        (problem,) = refusals(deployment)
        assert problem.where == "slipway:deployment.sites.main.platform.network.services_cidr"
        assert problem.remedy == f"{NEAREST}{remedy}`"
    # The default of a reserved place is refused by the field that can say another.
    del deployment["sites"]["main"]["platform"]["network"]["services_cidr"]
    deployment["reserved_ranges"] = {"office": "172.16.0.0/13"}
    (problem,) = refusals(deployment)
    assert problem.where == "slipway:deployment.sites.main.platform.network.services_cidr"
    assert problem.found == "`172.18.128.0/20`, which overlaps `172.16.0.0/13` reserved as `office`"
    assert problem.remedy == f"{NEAREST}172.24.0.0/20`"


def test_an_existing_network_gets_the_services_that_it_is_given() -> None:
    subnets = {f"us-east-1{zone}": f"subnet-0123456{zone}" for zone in "abd"}
    existing = {"vpc_id": "vpc-01234567", "private_subnets": subnets}
    network = {"existing": existing}
    assert planned(document("prod", network=network)).summary["network"] == "vpc-01234567, services as EKS chooses"
    site = planned(document("prod", network={**network, "services_cidr": "172.20.0.0/16"}))
    assert site.summary["network"] == "vpc-01234567, services 172.20.0.0/16"


def test_what_exists_stays_and_what_is_chosen_gives_way() -> None:
    """The cluster that exists comes last and cannot move."""
    deployment = document("hybrid")
    deployment["sites"] = dict(reversed(deployment["sites"].items()))
    deployment["sites"]["datacentre"]["platform"]["network_cidr"] = "10.60.0.0/15"
    (problem,) = refusals(deployment)
    assert problem.where == "slipway:deployment.sites.cloud.platform.network.cidr"
    assert problem.remedy == f"{NEAREST}10.59.0.0/16`"

"""Network: nothing overlaps, everything fits at its largest, and a refusal proposes the nearest range that works."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from infra.plan.address_space import PRIVATE, divided, nearest_free, needed_prefix_length, prefix_length
from infra.plan.network import NetworkPlan, NetworkRequest, plan_networks
from tests.unit.documents import examples

ZONES = ("a", "b", "c", "d")


@st.composite
def blocks(draw: st.DrawFn, shortest: int = 8, longest: int = 28) -> IPv4Network:
    """A private range, often near others so that overlaps happen."""
    length = draw(st.integers(max(shortest, 8), longest))
    base = draw(st.sampled_from(["10.0.0.0", "10.255.0.0", "172.16.0.0", "172.31.255.0", "192.168.0.0", "100.64.0.0"]))
    return IPv4Network((int(IPv4Address(base)) + draw(st.integers(0, 2**20)), length), strict=False)


@st.composite
def requests(draw: st.DrawFn, site: str = "main") -> NetworkRequest:
    return NetworkRequest(
        where=f"sites.{site}",
        site=site,
        cloud=draw(st.sampled_from(["aws", "gcp"])),
        cidr=draw(blocks(shortest=12)),
        zones=ZONES[: draw(st.integers(1, 4))],
        max_nodes=draw(st.integers(1, 400)),
        max_pods_per_node=draw(st.integers(8, 250)),
    )


many = st.integers(1, 4).flatmap(lambda count: st.tuples(*(requests(f"site-{n}") for n in range(count))))


def networks(plan: NetworkPlan) -> dict[str, IPv4Network]:
    return {range_.name: IPv4Network(range_.cidr) for range_ in plan.ranges}


@given(many, st.lists(blocks(), max_size=3))
@examples(200)
def test_nothing_overlaps_and_everything_lies_where_it_belongs(
    sites: tuple[NetworkRequest, ...], reserved: list[IPv4Network]
) -> None:
    plans, problems = plan_networks(sites, reserved)
    assert len(plans) + len({problem.where for problem in problems}) == len(sites)
    every = [block for plan in plans.values() for block in networks(plan).values()]
    for one, other in combinations([*every, *reserved[:1]], 2):
        assert not one.overlaps(other)
    for site in sites:
        if site.site not in plans:
            continue
        for name, block in networks(plans[site.site]).items():
            inside = block.subnet_of(site.cidr)
            assert inside != (name == "services" and site.cloud == "aws")
            assert not any(block.overlaps(other) for other in reserved)


@given(requests())
@examples(200)
def test_the_largest_size_fits(request: NetworkRequest) -> None:
    plans, _ = plan_networks([replace(request, cidr=IPv4Network("10.0.0.0/8"), cloud="gcp")])
    found = networks(plans["main"])
    nodes = request.max_nodes + 1
    assert found["nodes"].num_addresses - 4 >= nodes
    each = 2 ** (2 * request.max_pods_per_node - 1).bit_length()
    assert found["pods"].num_addresses >= nodes * max(each, 16)
    assert found["pods"].num_addresses < 2 * nodes * max(each, 16)
    assert found["services"].num_addresses >= 500

    plans, problems = plan_networks([replace(request, cidr=IPv4Network("10.0.0.0/16"), cloud="aws")])
    assume(not problems)
    found = networks(plans["main"])
    assert set(found) == {
        *(f"{kind}-{zone}" for zone in request.zones for kind in ("public", "private", "intra")),
        "services",
    }
    for zone in request.zones:
        pods = nodes * (-(-request.max_pods_per_node // 16) * 16 + 16)  # whole /28 blocks, and one that is kept ready
        assert found[f"private-{zone}"].num_addresses - 5 >= pods + nodes
        assert found[f"intra-{zone}"].num_addresses - 5 >= 16
        assert found[f"public-{zone}"].num_addresses - 5 >= 8


@given(many, st.lists(blocks(), max_size=3))
@examples(200)
def test_the_proposed_ranges_work(sites: tuple[NetworkRequest, ...], reserved: list[IPv4Network]) -> None:
    _, problems = plan_networks(sites, reserved)
    proposed = {
        problem.where: IPv4Network(problem.remedy.split(" is ")[1])
        for problem in problems
        if problem.remedy.startswith("the nearest range that works is ")
    }
    mended = [
        replace(site, cidr=proposed.get(f"{site.where}.network.cidr", site.cidr))
        for site in sites
        if f"{site.where}.network.cidr" in proposed or f"{site.where}.network.cidr" not in {p.where for p in problems}
    ]
    plans, left = plan_networks(mended, reserved)
    assert not left
    assert len(plans) == len(mended)


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


@given(st.lists(st.integers(18, 30), min_size=1, max_size=12))
@examples(200)
def test_blocks_fit_exactly_when_their_sizes_add_up(lengths: list[int]) -> None:
    wanted = {str(number): length for number, length in enumerate(lengths)}
    length = needed_prefix_length(lengths)
    found = divided(IPv4Network((0x0A000000, length)), wanted)
    assert found is not None
    assert list(found) == list(wanted)
    assert all(found[name].prefixlen == wanted[name] for name in wanted)
    assert not any(one.overlaps(other) for one, other in combinations(found.values(), 2))
    assert divided(IPv4Network((0x0A000000, length + 1)), wanted) is None


@pytest.mark.parametrize(("addresses", "length"), [(1, 32), (2, 31), (3, 30), (256, 24), (257, 23)])
def test_prefix_length(addresses: int, length: int) -> None:
    assert prefix_length(addresses) == length


# GKE documentation, flexible pod CIDR (read 2026-11-25): the range that each node gets for its pods.
@pytest.mark.parametrize(("pods", "length"), [(8, 28), (9, 27), (16, 27), (17, 26), (32, 26), (64, 25), (110, 24)])
def test_gke_nodes_get_the_range_that_its_table_says(pods: int, length: int) -> None:
    plans, _ = plan_networks([replace(GCP, max_pods_per_node=pods)])
    (range_,) = (found for found in plans["east"].ranges if found.kind == "pods")
    assert range_.why == f"8 nodes, a /{length} each for {pods} pods"
    assert IPv4Network(range_.cidr).prefixlen == length - 3


AWS = NetworkRequest(
    where="sites.main",
    site="main",
    cloud="aws",
    cidr=IPv4Network("10.40.0.0/16"),
    zones=("us-east-1a", "us-east-1b", "us-east-1d"),
    max_nodes=10,
    max_pods_per_node=110,
)
GCP = replace(AWS, where="sites.east", site="east", cloud="gcp", cidr=IPv4Network("10.41.0.0/16"), max_nodes=7)


def test_a_range_that_overlaps_another_site_is_refused_with_the_next_one() -> None:
    plans, problems = plan_networks([AWS, replace(GCP, cidr=AWS.cidr)], [IPv4Network("10.41.0.0/16")])
    assert list(plans) == ["main"]
    (problem,) = problems
    assert problem.where == "sites.east.network.cidr"
    assert problem.found == "10.40.0.0/16, which overlaps 10.40.0.0/16 of the site `main`"
    assert problem.remedy == "the nearest range that works is 10.39.0.0/16"


def test_too_small_too_large_and_public_are_refused() -> None:
    # 11 nodes x 9 blocks + 1 = 100 blocks of 16: a /21 for each of 3 zones, and 3 x (64 + 32): 6,432 addresses.
    (small,) = plan_networks([replace(AWS, cidr=IPv4Network("10.40.0.0/20"))])[1]
    assert small.found == "10.40.0.0/20: 4096 addresses"
    assert small.allowed.startswith("a /19 or larger: 10 nodes with 110 pods need a /19")
    assert small.remedy == "the nearest range that works is 10.40.0.0/19"
    (large,) = plan_networks([replace(AWS, cidr=IPv4Network("10.0.0.0/8"))])[1]
    assert "/16 to /28" in large.allowed
    assert large.remedy == "the nearest range that works is 10.0.0.0/16"
    (many_nodes,) = plan_networks([replace(AWS, max_nodes=3000)])[1]
    assert many_nodes.remedy.startswith("lower the largest number of nodes")
    (public,) = plan_networks([replace(GCP, cidr=IPv4Network("8.8.0.0/16"))])[1]
    assert "not private" in public.found
    assert any(IPv4Network(public.remedy.split(" is ")[1]).subnet_of(space) for space in PRIVATE)

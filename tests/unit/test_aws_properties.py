"""Whatever is written of a site on AWS: its subnets fit, its region has its machines, AWS takes its names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from infra.catalog.instances import instances
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.platforms.aws.names import CLUSTER_LETTERS, SITE_LETTERS
from infra.platforms.aws.shapes import SHAPES
from infra.problems import Refused
from infra.program import deploy as program
from tests.clouds.aws import FACTS
from tests.harness import Recorder, deploy
from tests.on_aws import Deployment, as_it_ships, deployment, managed, no_way_out, one_site, platform
from tests.unit.documents import assert_helpful, examples
from tests.unit.test_network import networks

# What a provider puts behind a name that it makes, and Terraform behind a prefix.
MADE_UP, BEHIND_A_PREFIX = 8, 26
# Of a stack, beside the longest name of a site.
STACK_LETTERS = CLUSTER_LETTERS - len("slipway--") - SITE_LETTERS
WAYS = ("on_demand", "spot", "reservation")
names = st.from_regex(r"[az]([-]?[az09])*", fullmatch=True).filter(lambda name: len(name) <= SITE_LETTERS)


@st.composite
def sites(draw: st.DrawFn) -> tuple[str, str, Deployment]:
    """A stack's name, its one site's, and the deployment."""
    written = deployment()
    one_site(written)
    own = platform(written)
    region = draw(st.sampled_from(["us-east-1", "us-west-2", "eu-central-1"]))
    zones = draw(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=6, unique=True))
    own |= {"region": region, "zones": [f"{region}{zone}" for zone in zones]}
    own["network"] = {"cidr": str(draw(networks(16, 17)))}
    own["nat"] = draw(st.sampled_from(["per_zone", "single", "none"]))
    purchase = draw(st.lists(st.sampled_from(WAYS), min_size=1, max_size=3, unique=True))
    own["nodes"] = {"kind": draw(st.sampled_from(["auto_mode", "managed"])), "purchase": purchase}
    if "reservation" not in purchase:
        del own["reservation_id"]
    elif own["nodes"]["kind"] == "managed":
        own["nodes"]["reservation_zone"] = own["zones"][-1]
    model, accelerator = written["models"]["chat"], draw(st.sampled_from(sorted(SHAPES)))
    model["accelerator"] = {"type": accelerator, "count": draw(st.sampled_from([1, 1, 2, 4, 8]))}
    model["scaling"] = {"min_replicas": 2, "max_replicas": draw(st.integers(2, 8))}
    for field in ("objective", "adapters", "speculative"):
        model.pop(field, None)
    del written["budget"]
    site = draw(names)
    written["sites"] = {site: written["sites"]["main"]}
    return draw(names), site, written


def planned(stack: str, written: Deployment) -> DeploymentPlan | None:
    try:
        return build_plan(validate(written, stack, {}), stack)
    except Refused as refused:
        assert_helpful(refused)
        return None


@given(sites())
@examples(30)
def test_any_site_that_is_not_refused(drawn: tuple[str, str, Deployment]) -> None:
    stack, site, written = drawn
    plan = planned(stack, written)
    assume(plan is not None)
    assert plan is not None
    details: Any = plan.sites[site].details
    subnets_fit(details, len(platform(written, site)["zones"]))
    the_region_has_its_machines(details, plan.warnings)
    names_are_short(details, site)


def subnets_fit(details: Any, zones: int) -> None:
    whole = IPv4Network(details.network.cidr)
    ranges = [IPv4Network(subnet.cidr) for subnet in details.network.subnets.values()]
    assert len(ranges) == 3 * zones
    assert all(one.subnet_of(whole) for one in ranges)
    assert not any(one.overlaps(other) for one, other in combinations(ranges, 2))
    assert not IPv4Network(details.network.services_cidr).overlaps(whole)
    assert {details.network.subnets[name].zone for name in details.network.exits} <= {*details.zones}


def the_region_has_its_machines(details: Any, warnings: tuple[str, ...]) -> None:
    known = {row.instance_type: row for row in instances() if (row.cloud, row.region) == ("aws", details.region)}
    for pool in details.machines.pools.values():
        assert {*pool.zones} <= {*details.zones}
        planned_type, *others = pool.instance_types
        if pool.gpus and planned_type not in known:
            assert not others
            assert any(f"`{details.region}` has `{planned_type}`" in warning for warning in warnings)
        elif pool.gpus:
            like = (known[planned_type].gpu, known[planned_type].gpu_count)
            assert all((known[other].gpu, known[other].gpu_count) == like for other in others)
            assert like[1] == pool.gpus


def names_are_short(details: Any, site: str) -> None:
    assert re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_-]*", details.cluster.name)
    assert len(details.cluster.name) <= CLUSTER_LETTERS
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*-", details.roles.name_prefix)
    assert len(details.roles.name_prefix + "models-") <= FACTS.names["aws:s3/bucket:Bucket"].longest - BEHIND_A_PREFIX
    assert len(details.roles.name_prefix) <= FACTS.names["aws:iam/role:Role"].longest - BEHIND_A_PREFIX
    assert len({*details.repositories}) == len(details.repositories)
    assert all(re.fullmatch(r"[a-z0-9]+([./_-]+[a-z0-9]+)*", one) and len(one) <= 256 for one in details.repositories)
    if not details.cluster.auto_mode:
        groups = [
            f"{site}-groups-{name}-{zone[-1]}" for name, pool in details.machines.pools.items() for zone in pool.zones
        ]
        assert len({*groups}) == len(groups)
        assert all(len(name) + MADE_UP <= FACTS.names["aws:eks/nodeGroup:NodeGroup"].longest for name in groups)


def most_gpus(written: Deployment) -> None:
    """Node groups with the longest name of a pool."""
    managed(written)
    written["models"]["chat"]["accelerator"] = {"type": "RTX-PRO-6000", "count": 8}
    written["models"]["chat"].pop("objective", None)
    del written["budget"]


def recorded(change: Callable[[Deployment], None], site: str, stack: str) -> Recorder:
    written = deployment()
    change(written)
    written["topology"] = {"kind": "microservice"}
    written["sites"] = {site: written["sites"]["main"]}
    return deploy(partial(program, ask=False), stack=stack, config={"slipway:deployment": written})


@pytest.mark.parametrize("change", [as_it_ships, no_way_out, most_gpus])
@pytest.mark.parametrize(("site", "stack"), [("a", "b"), ("s" * SITE_LETTERS, "p" * STACK_LETTERS)])
def test_every_name_that_is_made_is_taken_and_made_once(
    change: Callable[[Deployment], None], site: str, stack: str
) -> None:
    seen = recorded(change, site, stack)
    given_names = Counter[tuple[str, str]]()
    for one in seen.seen:
        if one.type.startswith("aws:") and one.custom:
            kind = one.type
            called = FACTS.name_of(kind)
            if called in one.inputs:
                given_names[kind, str(one.inputs[called])] += 1
            assert FACTS.refusal(kind, one.name, one.inputs) is None, one.name
        elif one.type.startswith("kubernetes:") and "kind" in one.inputs:
            metadata = one.inputs["metadata"]
            whole = f"{metadata.get('namespace', '')}/{metadata.get('name', one.name)}"
            given_names[f"{one.inputs['apiVersion']} {one.inputs['kind']}", whole] += 1
    assert given_names
    assert not [name for name, times in given_names.items() if times > 1]


@pytest.mark.parametrize(
    ("site", "stack", "found"),
    [
        ("s" * (SITE_LETTERS + 1), "b", f"a name of {SITE_LETTERS + 1} letters"),
        (
            "s" * SITE_LETTERS,
            "p" * (STACK_LETTERS + 1),
            "a cluster's name of 101 letters, of the stack's and the site's",
        ),
    ],
)
def test_longer_names_are_refused(site: str, stack: str, found: str) -> None:
    written = deployment()
    one_site(written)
    written["sites"] = {site: written["sites"]["main"]}
    with pytest.raises(Refused) as refused:
        build_plan(validate(written, stack, {}), stack)
    (problem,) = refused.value.problems
    assert problem.found == found
    assert problem.where.endswith(f"sites.{site}")

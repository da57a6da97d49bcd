"""The picture of what a site makes in a cloud: all of the plan's parts are in it, in words too, and nothing else is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from infra.load import load_file, validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.report.pictures.place import places
from infra.report.pictures.svg import Picture, svg
from tests.manifests import ROOT
from tests.on_aws import VARIANTS, Deployment


def planned(change: Callable[[Deployment], None]) -> DeploymentPlan:
    text = (ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8")
    deployment: Any = copy.deepcopy(yaml.safe_load(text)["config"]["slipway:deployment"])
    change(deployment)
    return build_plan(validate(deployment, "prod", {}), "prod")


def drawn(plan: DeploymentPlan) -> dict[tuple[str, str], Picture]:
    """By title and form."""
    return {(one.title, one.kind): one for one in places(plan)}


def words(picture: Picture) -> str:
    """What is written, whole where it is cut."""
    root = ElementTree.fromstring(svg(picture, "x"))
    cut = [text for text in root.iter("text") if text.find("title") is not None]
    whole = [str(title.text) for text in cut if (title := text.find("title")) is not None]
    return "\n".join([*whole, *(str(text.text) for text in root.iter("text") if text not in cut)])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["wide", "narrow"])
def test_every_part_of_a_site_is_in_its_picture(variant: str, kind: str) -> None:
    plan = planned(VARIANTS[variant])
    details = plan.sites["main"].details
    picture = drawn(plan)["What main makes in us-east-1", kind]
    said = words(picture)
    parts = [name for layer in details.place_map.layers for name in (cell.title for cell in layer.cells)]
    assert sorted(parts) == sorted(details.network.subnets)
    assert {*parts} <= {*said.split("\n")}
    for subnet in details.network.subnets.values():
        assert (subnet.cidr or subnet.subnet_id) in said
    for name, pool in details.pools.items():
        assert f"nodes {name}" in said
        assert pool.text in said
    door, cluster = details.front_door, details.cluster
    for expected in (details.region, door.host, door.site_host, cluster.name, cluster.kubernetes_version):
        assert expected in said
    assert said.count("NAT gateway") == len({*details.network.exits.values()})
    assert ("bucket of the audit" in said) == (details.audit_bucket is not None)
    assert ("a file system of EFS" in said) == details.cluster.shared_files
    assert ("ElastiCache" in said) == (details.limits is not None)
    assert ("firewall" in said) == bool(door.managed_rules)
    assert ("inside only" in said) == door.internal
    assert ("budget" in said) == (details.budget is not None)
    if kind == "wide":
        assert {*details.zones} <= {*said.split("\n")}


@pytest.mark.parametrize("variant", VARIANTS)
def test_whoever_does_not_see_it_is_told_the_same(variant: str) -> None:
    plan = planned(VARIANTS[variant])
    for (title, kind), picture in drawn(plan).items():
        if kind == "wide" and title.startswith("What main"):
            one = plan.sites["main"].details.place_map
            over = [part for layer in one.layers for part in layer.over]
            for part in (one.names, *over, *one.beside):
                assert part.title in picture.description
                assert part.detail in picture.description


def test_a_standby_is_called_so_and_each_leads_where_the_other_does_not() -> None:
    plan = planned(VARIANTS["as_it_ships"])
    titles = {title for title, _ in drawn(plan)}
    assert titles == {"What main makes in us-east-1", "What west makes in us-west-2, standby for main"}
    leads = {name: site.details.place_map.names.detail for name, site in plan.sites.items()}
    assert "while this site is well" in leads["main"]
    assert "while the other site is not well" in leads["west"]
    alone = planned(VARIANTS["one_site"]).sites["main"].details.place_map.names.detail
    assert alone == "Route 53 leads here always; main.llm.example.com always does"


def test_nothing_is_drawn_beyond_its_frame() -> None:
    for variant in VARIANTS.values():
        for picture in places(planned(variant)):
            for shape in ElementTree.fromstring(svg(picture, "x")).iter("rect"):
                x, y, width, height = (float(shape.attrib[key]) for key in ("x", "y", "width", "height"))
                assert 0 <= x <= x + width <= picture.width
                assert 0 <= y <= y + height <= picture.height


def test_places_that_make_nothing_have_no_such_picture() -> None:
    assert not list(places(build_plan(load_file(ROOT / "Pulumi.onprem.yaml"), "onprem")))

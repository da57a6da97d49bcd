"""The pictures of what sites on Google Cloud and on Cloud Run make: the plan's parts are in them, and in words too."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.report.pictures.place import places
from infra.report.pictures.svg import Picture, svg
from infra.stack_file import read_stack_file
from tests import on_cloud_run, on_gcp
from tests.unit.documents import deployment_of
from tests.unit.test_report_place import words

KINDS = ("wide", "narrow")


def planned(variant: str) -> DeploymentPlan:
    deployment = deployment_of(read_stack_file(on_gcp.FILE).values)
    on_gcp.VARIANTS[variant](deployment)
    return build_plan(validate(deployment, "staging", {}), "staging")


def drawn(plan: DeploymentPlan) -> dict[str, Picture]:
    """Of its one site, by form."""
    found = [*places(plan)]
    assert len({picture.title for picture in found}) == 1
    return {picture.kind: picture for picture in found}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", on_gcp.VARIANTS)
def test_every_part_of_a_site_on_google_cloud_is_in_its_picture(variant: str, kind: str) -> None:
    plan = planned(variant)
    made: Any = plan.sites["main"].details
    said = words(drawn(plan)[kind])
    for name, pool in made.pools.items():
        assert f"nodes {name}" in said
        assert pool.text in said
    for expected in (made.region, made.front_door.host, made.front_door.site_host, made.cluster.name, made.repository):
        assert expected in said
    assert f"VPC {made.network.network}: nodes {made.network.nodes or 'as they are'}, pods {made.network.pods}" in said
    assert ("Cloud NAT" in said) == made.network.nat
    assert ("Cloud Armor" in said) == (made.front_door.requests_per_minute is not None)
    assert ("a Valkey of the site" in said) == (made.serving.shared_limits is not None)
    assert ("bucket of the audit" in said) == (made.audit_bucket is not None)
    assert ("budget" in said) == (made.budget is not None)
    assert ("203.0.113.0/24" in said) == bool(made.cluster.public_cidrs)
    if kind == "wide":
        assert {*made.zones} <= {*said.split("\n")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", on_cloud_run.VARIANTS)
def test_every_part_of_a_site_on_cloud_run_is_in_its_picture(variant: str, kind: str) -> None:
    plan = on_cloud_run.changed(on_cloud_run.VARIANTS[variant])
    made = plan.sites["main"].details
    said = words(drawn(plan)[kind])
    assert f"service {made.service.name}" in said
    assert f"{made.service.min_instances} to {made.service.max_instances} instances" in said
    for container in made.service.containers:
        assert f"container {container.name}" in said
        assert f"{container.processors} vCPU, {container.memory_gibibytes} GiB" in said
        assert container.card is None or container.card in said
    assert made.egress_cidr in said
    assert (made.front_door.host if made.front_door else "Cloud Run's own address") in said
    assert ("load balancer" in said) == ("certificate" in said) == (made.front_door is not None)
    assert ("Cloud Armor" in said) == bool(made.front_door and made.front_door.requests_per_minute is not None)
    assert ("bucket of weights" in said) == (made.fetch is not None)
    assert ("bucket of the audit" in said) == (made.audit_bucket is not None)


PLANS = [planned(name) for name in on_gcp.VARIANTS] + [
    on_cloud_run.changed(change) for change in on_cloud_run.VARIANTS.values()
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.stack)
def test_whoever_does_not_see_it_is_told_the_same_and_nothing_is_beyond_its_frame(plan: DeploymentPlan) -> None:
    one = plan.sites["main"].details.place_map
    for picture in drawn(plan).values():
        for part in (one.names, *(part for layer in one.layers for part in layer.over), *one.beside):
            assert part.title in picture.description
            assert part.detail in picture.description
        for shape in ElementTree.fromstring(svg(picture, "x")).iter("rect"):
            x, y, width, height = (float(shape.attrib[key]) for key in ("x", "y", "width", "height"))
            assert 0 <= x <= x + width <= picture.width
            assert 0 <= y <= y + height <= picture.height

"""Quotas of AWS from a plan: counted as AWS counts them, at most replicas and one machine more, whatever is bought."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from infra.catalog.quotas import quotas
from infra.load import load_file, validate
from infra.plan.build import build_plan
from infra.plan.quota_types import QuotaNeed
from infra.plan.types import DeploymentPlan
from infra.platforms.aws.quotas import processors, quota_of
from infra.platforms.aws.shapes import SHAPES
from infra.report import to_json
from infra.report.quotas import needs_of
from infra.report.quotas import quotas as section
from tests.manifests import ROOT
from tests.on_aws import Deployment, existing_network, no_way_out, one_site, platform


def planned(change: Callable[[Deployment], None] = lambda deployment: None) -> DeploymentPlan:
    text = (ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8")
    deployment: Any = yaml.safe_load(text)["config"]["slipway:deployment"]
    change(deployment)
    return build_plan(validate(deployment, "prod", {}), "prod")


def needed(change: Callable[[Deployment], None] = lambda deployment: None) -> dict[str | None, QuotaNeed]:
    return {one.code: one for one in needs_of(planned(change).sites["main"])}


def test_prod_asks_for_what_it_has_at_most_and_one_machine_more() -> None:
    found = needed()
    pools = {pool.name: pool for pool in planned().sites["main"].node_pools}
    # g6e.xlarge has 4 vCPUs, m6i.xlarge has 4: eight replicas and one, six gateways and one.
    assert found["L-DB2E81BA"].needed == (pools["l40s-1"].max_nodes + 1) * 4 == 36
    assert found["L-1216C47A"].needed == (pools["gateway"].max_nodes + 1) * 4 == 28
    assert {code: one.needed for code, one in found.items() if not one.counts} == {
        "L-F678F1CE": 1,
        "L-A4707A72": 1,
        "L-0263D0A3": 3,
        "L-FE5A380F": 1,
        "L-53DA6B97": 1,
        "L-1194D53C": 1,
    }
    assert found["L-FE5A380F"].per_zone
    assert {code for code, one in found.items() if not one.enough_by_default} == {"L-DB2E81BA", "L-1216C47A"}


def test_the_dearest_machine_that_does_as_well_counts_more() -> None:
    found = needed()["L-DB2E81BA"]
    (pool,) = [one for one in planned().sites["main"].details.machines.pools.values() if one.pool == "l40s-1"]
    most = max(processors(name) or 0 for name in pool.instance_types)
    assert found.others == 9 * most > found.needed


def test_spot_is_another_quota_and_a_reservation_is_none() -> None:
    found = needed(one_site)  # reservation, spot, on demand
    assert found["L-3819A6DF"].name.startswith("All G and VT Spot")
    assert found["L-3819A6DF"].needed == found["L-DB2E81BA"].needed
    assert found["L-0263D0A3"].needed == 1  # nat: single


def test_a_reservation_alone_asks_for_no_machine() -> None:
    def reserved(deployment: Deployment) -> None:
        one_site(deployment)
        platform(deployment)["nodes"]["purchase"] = ["reservation"]

    assert not {"L-DB2E81BA", "L-3819A6DF", None} & {*needed(reserved)}


def test_a_network_that_exists_needs_no_other() -> None:
    assert {*needed(existing_network)} == {"L-DB2E81BA", "L-1216C47A", "L-53DA6B97", "L-1194D53C"}


def test_without_a_way_out_no_address_is_needed() -> None:
    assert not {"L-0263D0A3", "L-FE5A380F"} & {*needed(no_way_out)}


@pytest.mark.parametrize(
    ("instance_type", "purchase", "code"),
    [
        ("g6e.xlarge", "on_demand", "L-DB2E81BA"),
        ("g6e.xlarge", "spot", "L-3819A6DF"),
        ("p5en.48xlarge", "on_demand", "L-417A185B"),
        ("p5en.48xlarge", "spot", "L-C4BD4855"),
        ("p4de.24xlarge", "spot", "L-7212CCBC"),
        ("p6-b200.48xlarge", "on_demand", "L-417A185B"),
        ("p6-b200.48xlarge", "spot", None),
        ("m6i.xlarge", "on_demand", "L-1216C47A"),
        ("m6i.xlarge", "spot", "L-34B43A08"),
        ("im4gn.xlarge", "on_demand", "L-1216C47A"),
        ("x2idn.16xlarge", "on_demand", "L-7295265B"),
        ("hpc7a.96xlarge", "on_demand", None),
    ],
)
def test_machines_are_counted_by_the_quota_of_their_family(instance_type: str, purchase: str, code: str | None) -> None:
    quota = quota_of(instance_type, purchase)
    assert (quota.code if quota else None) == code


def test_every_machine_that_is_planned_has_a_known_number_of_processors_and_a_quota() -> None:
    for shapes in SHAPES.values():
        for shape in shapes:
            assert processors(shape.name), shape.name
            assert quota_of(shape.name, "on_demand"), shape.name


def test_what_nobody_knows_is_said() -> None:
    def metal(deployment: Deployment) -> None:
        platform(deployment)["gateway_instance_type"] = "m6i.metal"

    found = needed(metal)["L-1216C47A"]
    assert (found.needed, found.uncounted, found.enough_by_default) == (0, ("7 × m6i.metal",), False)
    made = section(planned(metal))
    assert made is not None
    (table,) = made.tables
    (row,) = [row for row in table.rows if row[0] == "main" and "L-1216C47A" in row[2]]
    assert "0 vCPUs and what 7 × m6i.metal have" in row[3]

    def unknown(deployment: Deployment) -> None:
        platform(deployment)["gateway_instance_type"] = "hpc7a.12xlarge"

    found = needed(unknown)[None]
    assert (found.name, found.default, found.enough_by_default) == ("hpc7a instances, on_demand", None, False)


def test_the_report_says_what_to_ask_for_and_who_says_what_is_there_already() -> None:
    made = section(planned())
    assert made is not None
    asked = {(row[0], row[2]) for row in made.tables[0].rows if row[-1] == "ask for it"}
    assert asked == {(site, f"ec2 {code}") for site in ("main", "west") for code in ("L-DB2E81BA", "L-1216C47A")}
    assert "EC2 instance types guide" in made.lines[-1]


def test_places_without_quotas_have_no_such_section() -> None:
    assert section(build_plan(load_file(ROOT / "Pulumi.dev.yaml"), "dev")) is None


def test_each_row_says_who_says_so_and_when() -> None:
    for row in quotas():
        assert row.source
        assert row.as_of >= "2026-01"
        assert (row.purchase is None) == (not row.families) == (row.counts is None)
    assert len({row.code for row in quotas()}) == len(quotas())


def test_they_are_in_the_plan_for_programs() -> None:
    told = json.loads(to_json(planned()))["sites"]["main"]["details"]["quotas"]
    assert {"code": "L-DB2E81BA", "needed": 36, "default": 0}.items() <= told[1].items()

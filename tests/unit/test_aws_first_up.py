"""The first deployment on AWS: a step for what is there, minutes from who says so, and the longest way through all."""

from __future__ import annotations

import json

import pytest

from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.first_up_types import UpStep, minutes_in_all
from infra.plan.types import DeploymentPlan
from infra.report import FORMATS, to_json
from infra.report.first_up import first_up as section
from infra.report.first_up import steps_of
from tests.manifests import ROOT
from tests.on_aws import Deployment, existing_network, managed, no_way_out, platform
from tests.unit.test_aws_quotas import planned

ALL = (
    *("network", "certificate", "store of limits", "cluster", "first machines"),
    *("weights into the bucket", "engines ready"),
)


def steps(plan: DeploymentPlan, site: str = "main") -> dict[str, UpStep]:
    return {step.name: step for step in steps_of(plan.sites[site])}


def step(name: str, low: float, high: float, *after: str) -> UpStep:
    return UpStep(name=name, minutes_low=low, minutes_high=high, of="", after=after, source="")


def test_prod_has_every_step_and_each_has_a_source_with_a_date() -> None:
    found = steps(planned())
    assert tuple(found) == ALL
    for one in found.values():
        assert 0 < one.minutes_low <= one.minutes_high
        assert "(20" in one.source or one.name == "engines ready", one.name


def test_what_follows_what_is_as_the_components_depend_on_each_other() -> None:
    found = steps(planned())
    assert {name: one.after for name, one in found.items() if one.after} == {
        "store of limits": ("network",),
        "cluster": ("network",),
        "first machines": ("cluster",),
        "weights into the bucket": ("first machines",),
        "engines ready": ("first machines", "weights into the bucket"),
    }


def test_weights_and_engines_are_what_the_plan_says_elsewhere() -> None:
    plan = planned()
    start = plan.models["chat"].cold_start
    assert start is not None
    found = steps(plan)
    engines = found["engines ready"]
    assert engines.minutes_low == round(start.total_seconds_low / 60, 2)
    assert engines.minutes_high == round(start.total_seconds / 60, 2)
    weights = found["weights into the bucket"]
    told = plan.sites["main"].details.weights
    assert f"({weights.minutes_low * 60:.0f} to {weights.minutes_high * 60:.0f} s more at the first start)" in told
    assert weights.of.removeprefix("chat, ") in told


def test_what_is_there_already_and_what_nobody_waits_for_is_no_step() -> None:
    assert "network" not in steps(planned(existing_network))
    assert "store of limits" not in steps(planned(no_way_out)), "it is somebody else's"

    def from_the_hub(deployment: Deployment) -> None:
        platform(deployment)["weights_from"] = "source"

    assert "weights into the bucket" not in steps(planned(from_the_hub))


def test_node_groups_take_their_own_time() -> None:
    assert steps(planned(managed))["first machines"].source != steps(planned())["first machines"].source


@pytest.mark.parametrize(
    ("found", "minutes"),
    [
        ([], (0, 0)),
        ([step("a", 1, 2)], (1, 2)),
        ([step("a", 1, 2), step("b", 3, 4, "a"), step("c", 2, 9, "a")], (4, 11)),
        ([step("a", 1, 2), step("b", 3, 4, "a"), step("c", 5, 5), step("d", 1, 1, "b", "c")], (6, 7)),
        ([step("b", 3, 4, "there already")], (3, 4)),
    ],
)
def test_in_all_is_the_longest_way(found: list[UpStep], minutes: tuple[float, float]) -> None:
    assert minutes_in_all(found) == minutes


def test_every_format_shows_it() -> None:
    plan = planned()
    made = section(plan)
    assert made is not None
    (table,) = made.tables
    low, high = minutes_in_all(steps(plan).values())
    assert [row[2] for row in table.rows if row[:2] == ("main", "in all")] == [f"{int(low)} to {-int(-high // 1)}"]
    assert {row[0] for row in table.rows} == {"main", "west"}
    assert any("experience only" in line for line in made.lines)
    for name in ("text", "markdown", "html"):
        told = FORMATS[name](plan)
        assert "first deployment" in told.lower(), name
        assert "store of limits" in told, name
    assert [one["name"] for one in json.loads(to_json(plan))["sites"]["main"]["details"]["first_up"]] == [*ALL]


def test_other_platforms_say_nothing_of_it() -> None:
    assert section(build_plan(load_file(ROOT / "Pulumi.dev.yaml"), "dev")) is None

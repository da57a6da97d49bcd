"""What a site that must outlive a zone has without it, and how many replicas that takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.plan.zone_loss import enough, left
from tests.config.corpus import load_and_plan
from tests.unit.documents import CORPUS, examples
from tests.unit.test_places import document


@examples(300)
@given(needed=st.integers(1, 200), zones=st.integers(2, 16))
def test_enough_is_the_least_that_leaves_what_is_needed(needed: int, zones: int) -> None:
    found = enough(needed, zones)
    assert left(found, zones) >= needed
    assert left(found - 1, zones) < needed


def planned(change: Any = None, name: str = "onprem") -> DeploymentPlan:
    deployment = document(name)
    if change is not None:
        change(deployment)
    return build_plan(validate(deployment, "case", {}), "case")


def said(plan: DeploymentPlan) -> str | None:
    (site,) = plan.sites.values()
    return site.summary.get("with a zone gone")


def test_the_stack_outlives_a_zone() -> None:
    plan = planned()
    assert said(plan) == "2 of 3 gateways are left; chat: 2 of 3 replicas, its objective holds (needs 2)"
    (site,) = plan.sites.values()
    assert site.gateways >= site.replicas["chat"].min >= 3
    assert not plan.warnings


@pytest.mark.parametrize(
    ("least", "most", "verdict"),
    [
        (2, 2, "does not hold (needs 2, which min_replicas 3 leaves)"),
        (2, 4, "does not hold, until more have started (needs 2, which min_replicas 3 leaves)"),
    ],
)
def test_it_says_when_an_objective_does_not_hold(least: int, most: int, verdict: str) -> None:
    def fewer(deployment: Any) -> None:
        deployment["models"]["chat"]["scaling"] = {"min_replicas": least, "max_replicas": most}

    assert f"chat: 1 of 2 replicas, its objective {verdict}" in (said(planned(fewer)) or "")


def test_without_an_objective_it_says_how_many_are_left() -> None:
    def none(deployment: Any) -> None:
        del deployment["models"]["chat"]["objective"]

    assert said(planned(none)) == "2 of 3 gateways are left; chat: 2 of 3 replicas"


def test_replicas_that_nobody_counted_are_enough_without_a_zone() -> None:
    plan = load_and_plan(CORPUS / "topology-ha-objective.happy.yaml")
    assert plan.sites["main"].replicas["chat"].min == 3


def test_other_topologies_promise_nothing_of_zones() -> None:
    def one_after_another(deployment: Any) -> None:
        deployment["topology"] = {"kind": "microservice"}

    assert said(planned(one_after_another)) is None


def test_one_volume_is_no_single_point_of_who_has_a_standby() -> None:
    def with_standby(deployment: Any) -> None:
        deployment["topology"]["standby"] = {"site": "second", "mode": "warm"}
        (site,) = deployment["sites"].values()
        site["platform"]["storage"]["weights_mode"] = "read_only_many"
        deployment["sites"]["second"] = {"platform": {**site["platform"], "context": "second"}}

    assert planned(with_standby).sites["second"].replicas["chat"].min == 3

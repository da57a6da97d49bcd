"""Crossover: every number computed by hand, from list prices of europe-west4."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.catalog.instances import instances
from infra.plan.crossover import crossovers
from infra.platforms.cloud_run.site_plan import CloudRunSitePlan
from infra.price.book import PriceBook, price_book
from infra.price.crossover import (
    Sides,
    crossover_hours_per_day,
    crossover_replicas,
    crossover_requests_per_second,
    sides,
)
from infra.price.types import OwnPrice
from infra.report import FORMATS
from tests.on_cloud_run import Deployment, as_it_ships, changed, details, platform

# A dollar for an hour of use and half of that round the clock, 730 hours a month; 1,000 dollars around it.
MADE_UP = Sides(
    used_replica_per_hour=1.0,
    used_around_per_month=0.0,
    always_replica_per_hour=0.5,
    always_around_per_month=1000.0,
    requests_per_second=2.0,
)


def test_a_month_by_hand() -> None:
    assert MADE_UP.used_per_month(2) == pytest.approx(2 * 730)
    # 8 of 24 hours: a third.
    assert MADE_UP.used_per_month(2, 8) == pytest.approx(2 * 730 / 3)
    assert MADE_UP.always_per_month(2) == pytest.approx(1000 + 730)


def test_replicas_and_load_by_hand() -> None:
    """365 are saved by each replica: 1000 by three, 2.74 to be exact. Two of them answer 4 requests a second."""
    assert crossover_replicas(MADE_UP) == 3
    assert crossover_requests_per_second(MADE_UP) == 4.0
    assert MADE_UP.always_per_month(2) > MADE_UP.used_per_month(2)
    assert MADE_UP.always_per_month(3) < MADE_UP.used_per_month(3)


def test_what_costs_the_same_is_not_cheaper() -> None:
    even = replace(MADE_UP, always_around_per_month=2 * 365.0)
    assert even.always_per_month(2) == pytest.approx(even.used_per_month(2))
    assert crossover_replicas(even) == 3


def test_hours_by_hand() -> None:
    """Four replicas always: 1000 + 4 × 365 = 2,460 a month. Of use, an hour a day of four is 4 × 30.417 = 121.67."""
    assert crossover_hours_per_day(MADE_UP, 4) == pytest.approx(2460 / 121.6667, abs=0.001)
    assert crossover_hours_per_day(MADE_UP, 2) is None, "even round the clock they are not"


def test_what_never_crosses_says_so() -> None:
    dearer = replace(MADE_UP, always_replica_per_hour=1.0)
    assert crossover_replicas(dearer) is None
    assert crossover_requests_per_second(dearer) is None
    assert crossover_hours_per_day(dearer, 100) is None


@pytest.mark.parametrize(("always", "expected"), [(0.5, 1), (1.2, 1), (3.0, None)])
def test_what_is_around_may_be_cheaper_too(always: float, expected: int | None) -> None:
    less = replace(MADE_UP, used_around_per_month=1500.0, always_replica_per_hour=always)
    assert crossover_replicas(less) == expected
    if expected:
        assert crossover_requests_per_second(less) == 0.0


def test_cloud_run_and_gke_by_hand() -> None:
    """An L4 at 0.67, 5 vCPU at 0.0648 and 17 GiB at 0.0072 against a g2-standard-8 at 0.8963. Around them a balancer at
    0.025 and a NAT at 0.044; for the cluster also its control plane at 0.1 and a node at 0.213832."""
    rival = details().rival
    assert rival
    found = sides(rival, price_book(), 0.746)
    assert found
    assert found.used_replica_per_hour == pytest.approx(0.67 + 5 * 0.0648 + 17 * 0.0072)
    assert found.always_replica_per_hour == pytest.approx(0.8963)
    assert found.used_around_per_month == pytest.approx(730 * 0.069)
    assert found.always_around_per_month == pytest.approx(730 * (0.069 + 0.1 + 0.213832))
    # 730 × 0.313832 = 229.10 more around, 730 × 0.2201 = 160.67 less for each: two, which save 321.
    assert crossover_replicas(found) == 2
    assert crossover_requests_per_second(found) == 0.746
    # 279.47 + 2 × 654.299 - 50.37 = 1,537.70; an hour a day of two is 2 × 1.1164 × 30.417 = 67.91.
    assert crossover_hours_per_day(found, 2) == pytest.approx(22.64, abs=0.01)


def test_the_shape_that_it_is_compared_with_is_the_catalogues() -> None:
    rival = details().rival
    assert rival
    (machine,) = rival.replica
    known = {(row.instance_type, row.gpu, row.gpu_count) for row in instances() if row.cloud == "gcp"}
    assert (machine.item, "L4", 1) in known


def test_the_plan_says_it() -> None:
    plan = changed(as_it_ships)
    assert plan.price
    (one,) = plan.price.crossovers
    assert (one.own_name, one.name, one.replicas, one.requests_per_second) == ("Cloud Run", "GKE", 2, 0.746)
    assert [point.hours_per_day for point in one.points] == [None, 22.6, 21.5]
    # What is charged at the most replicas is what is compared.
    assert one.points[1].used_dollars_per_month == plan.price.dollars_per_month.max
    for form in ("text", "markdown", "html"):
        assert "GKE is cheaper than Cloud Run above 0.746 requests/s round the clock" in FORMATS[form](plan)
    page = FORMATS["html"](plan)
    assert ">GKE is cheaper above 0.746 requests/s</text>" in page
    assert "up to 1.492 requests/s: Cloud Run $1,680, GKE $1,588 a month" in page


def test_a_cluster_that_never_pays_is_told_too() -> None:
    def cheap(deployment: Deployment) -> None:
        own = {"cloud": "gcp", "item": "cloud_run_gpu_l4", "dollars": 0.1}
        deployment["pricing"] = {"prices": [own]}

    plan = changed(cheap)
    assert plan.price
    assert plan.price.crossovers[0].replicas is None
    assert "Cloud Run is cheaper than GKE at every load" in FORMATS["text"](plan)
    assert "Cloud Run is cheaper than GKE at every load" in FORMATS["html"](plan)


def test_nothing_is_compared_where_something_has_no_price() -> None:
    def elsewhere(deployment: Deployment) -> None:
        platform(deployment)["region"] = "us-east4"

    plan = changed(elsewhere)
    assert plan.price
    assert plan.price.crossovers == ()
    assert "CROSSOVER" not in FORMATS["text"](plan)


def test_nothing_is_compared_where_the_other_side_has_no_price() -> None:
    def half(deployment: Deployment) -> None:
        """Google's list has no g2-standard-8 of us-east4 here."""
        platform(deployment)["region"] = "us-east4"
        items = ("cloud_run_gpu_l4", "cloud_run_vcpu", "cloud_run_memory")
        deployment["pricing"] = {"prices": [{"cloud": "gcp", "item": item, "dollars": 0.1} for item in items]}

    plan = changed(half)
    assert plan.price
    assert plan.price.dollars_per_month.max > 100
    assert plan.price.crossovers == ()


def test_nothing_is_compared_where_there_is_no_gpu_or_no_speed() -> None:
    assert details("in_the_image").rival is None
    plan = changed(as_it_ships)
    slow = {"chat": replace(plan.models["chat"], performance=None)}
    assert list(crossovers(slow, plan.sites, price_book())) == []


def test_own_prices_move_it() -> None:
    rival = details().rival
    assert rival
    own = OwnPrice(cloud="gcp", item="g2-standard-8", dollars=0.3)
    found = sides(rival, PriceBook(price_book().listed, [own]), 0.746)
    assert found
    assert crossover_replicas(found) == 1


def test_what_is_compared_is_what_is_planned() -> None:
    site: CloudRunSitePlan = details()
    assert site.rival
    assert {use.item: use.maximum for use in site.rival.own_replica} == {
        "cloud_run_vcpu": site.service.processors,
        "cloud_run_memory": site.service.memory_gibibytes,
        "cloud_run_gpu_l4": 1,
    }

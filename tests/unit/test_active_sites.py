"""Two sites that both serve under one name: each as large as if it were alone, names by who is nearer, and what is
said of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.problems import Refused
from infra.report.topology import entrances
from tests.on_aws import deployment, platform

REDIS = {"kind": "redis", "url": {"secret": "limits_store"}, "gateways": 6}


def planned(mode: str, **gateway: Any) -> DeploymentPlan:
    content = deployment()
    content["topology"]["standby"]["mode"] = mode
    content["gateway"].update(gateway)
    content.pop("budget", None)
    return build_plan(validate(content, "prod", {}), "prod")


def test_each_is_as_large_as_if_it_were_alone() -> None:
    active, warm = planned("active"), planned("warm")
    replicas = {name: site.replicas["chat"] for name, site in active.sites.items()}
    assert replicas["main"] == replicas["west"] == warm.sites["main"].replicas["chat"]
    assert active.sites["main"].gateways == active.sites["west"].gateways == 3
    # Whether an objective is reached is judged by one of them.
    assert active.models["chat"].performance == warm.models["chat"].performance
    # Nobody is led away from one that has lost a zone.
    assert [name for name, site in active.sites.items() if "with a zone gone" in site.summary] == ["main", "west"]
    assert [name for name, site in warm.sites.items() if "with a zone gone" in site.summary] == ["main"]


def test_both_are_called_and_each_stands_in_for_the_other() -> None:
    plan = planned("active")
    assert entrances(plan) == {"main", "west"}
    (link,) = plan.links
    assert (link.source, link.target, link.reason) == ("main", "west", "partner")
    doors = {name: site.details.front_door for name, site in plan.sites.items()}
    assert {name: (door.failover, door.region) for name, door in doors.items()} == {
        "main": ("active", "us-east-1"),
        "west": ("active", "us-west-2"),
    }
    assert len({door.host for door in doors.values()}) == 1
    assert entrances(planned("warm")) == {"main"}


def test_that_limits_count_twice_is_said_where_they_do() -> None:
    def said(plan: DeploymentPlan) -> list[str]:
        return [one for one in plan.weakenings if "may use its limits twice" in one]

    (one,) = said(planned("active"))
    assert one.startswith("`main` and `west` count limits each for itself")
    assert not said(planned("active", limits_store=REDIS))
    assert not said(planned("warm"))


def test_two_sites_of_one_region_are_as_near_as_each_other() -> None:
    content: Any = yaml.safe_load(yaml.safe_dump(deployment()))
    content["topology"]["standby"]["mode"] = "active"
    platform(content, "west").update(region="us-east-1", zones=["us-east-1a", "us-east-1b"])
    with pytest.raises(Refused) as refused:
        build_plan(validate(content, "prod", {}), "prod")
    assert "`active`, with both sites in `us-east-1`" in str(refused.value)
    content["topology"]["standby"]["mode"] = "warm"
    content.pop("budget", None)
    assert build_plan(validate(content, "prod", {}), "prod")


def test_what_two_of_them_do_together_is_not_counted_on() -> None:
    content = deployment()
    content["topology"]["standby"]["mode"] = "active"
    content["models"]["chat"]["scaling"] = {"min_replicas": 2, "max_replicas": 2}
    content["models"]["chat"]["objective"]["requests_per_second"] = 6
    with pytest.raises(Refused) as refused:
        build_plan(validate(content, "prod", {}), "prod")
    assert "up to 4.358 with 2 replicas" in str(refused.value)

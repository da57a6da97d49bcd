"""What a plan costs: every site's machines and what is around them, own prices first, and no price is never 0."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.price_types import PriceLine
from infra.plan.types import DeploymentPlan
from infra.platforms.gcp.config import GcpSettings
from infra.price.book import price_book
from infra.problems import Refused
from infra.report import to_text
from infra.stack_file import read_stack_file
from tests.unit.documents import CORPUS, deployment_of

ROOT = CORPUS.parents[1]
BUDGET = CORPUS / "budget.happy.yaml"


def planned(of_platform: dict[str, Any] | None = None, today: date | None = None, **changed: Any) -> DeploymentPlan:
    deployment = deployment_of(read_stack_file(BUDGET).values)
    del deployment["pricing"], deployment["budget"]
    deployment |= changed
    platform = deployment["sites"]["main"]["platform"]
    platform["nodes"] = {"kind": "managed"}
    platform |= of_platform or {}
    return build_plan(validate(deployment, "case", {}), "case", today)


def shipped(stack: str) -> DeploymentPlan:
    return build_plan(validate(deployment_of(read_stack_file(ROOT / f"Pulumi.{stack}.yaml").values), "x", {}), "x")


def lines(plan: DeploymentPlan) -> dict[str, PriceLine]:
    assert plan.price
    return {line.what: line for line in plan.price.lines}


def test_the_sums_are_those_of_the_lines() -> None:
    price = planned().price
    assert price
    for end in ("min", "max"):
        found = sum(getattr(line.dollars_per_month, end) for line in price.lines)
        assert getattr(price.dollars_per_month, end) == pytest.approx(found, abs=0.1)
        assert getattr(price.dollars_per_hour, end) == pytest.approx(found / 730, abs=0.001)


def test_a_pool_costs_its_machines_at_the_fewest_and_at_the_most_replicas() -> None:
    line = lines(planned())["node pool `l40s-1`"]
    assert (line.item, line.amount.min, line.amount.max) == ("g6e.xlarge", 2, 6)
    assert line.dollars_per_month
    # 1.861 an hour in us-east-1.
    assert (line.dollars_per_month.min, line.dollars_per_month.max) == (2717.06, 8151.18)


def test_a_million_tokens_cost_a_replica_s_machine_for_as_long_as_they_take() -> None:
    model = planned().models["chat"]
    assert model.price
    assert model.performance
    hours = 1e6 / model.performance.output_tokens_per_second / 3600
    assert model.price.dollars_per_million_output_tokens == pytest.approx(1.861 * hours, rel=0.001)


def test_prompts_have_a_price_of_their_own_within_that_of_answers() -> None:
    model = planned().models["chat"]
    assert model.price
    speed = model.performance
    assert speed
    prompts = model.price.dollars_per_million_input_tokens
    # A machine's hour, the part of it that reads prompts, over the prompts that it reads in an hour.
    each_hour = speed.requests_per_second * speed.input_tokens * 3600
    assert prompts == pytest.approx(1.861 * speed.prefill_share / each_hour * 1e6, rel=0.01)
    answers = model.price.dollars_per_million_output_tokens
    assert 0 < prompts * speed.input_tokens < answers * speed.output_tokens


@pytest.mark.parametrize(
    ("load", "running"),
    [({"requests_per_second": 0.5}, 2), ({"requests_per_second": 3.0}, 5), ({"concurrent_users": 24}, 6)],
)
def test_at_the_stated_load_what_runs_is_paid_for_by_what_is_asked(load: dict[str, Any], running: int) -> None:
    deployment = deployment_of(read_stack_file(BUDGET).values)
    chat = deployment["models"]["chat"] | {"objective": load, "scaling": {"min_replicas": 2, "max_replicas": 6}}
    model = planned(models={"chat": chat}).models["chat"]
    assert model.price
    speed = model.performance
    assert speed
    asked = load.get("requests_per_second") or load["concurrent_users"] / speed.running_requests * (
        speed.requests_per_second
    )
    # Dollars an hour of all that runs, over the tokens that are asked for in an hour.
    hour = 1.861 * running
    dollars = hour / (asked * speed.output_tokens * 3600) * 1e6
    assert model.price.dollars_per_million_output_tokens_at_stated_load == pytest.approx(dollars, rel=0.01)
    assert model.price.stated_load == pytest.approx(asked / speed.requests_per_second / running, rel=0.01)
    full, stated = model.price.dollars_per_million_input_tokens, model.price.stated_load
    assert model.price.dollars_per_million_input_tokens_at_stated_load == pytest.approx(full / stated, rel=0.01)


def test_without_an_objective_there_is_no_stated_load() -> None:
    price = shipped("staging").models["chat"].price
    assert price
    assert (price.stated_load, price.dollars_per_million_output_tokens_at_stated_load) == (None, None)


def test_now_is_what_runs_before_anybody_asks() -> None:
    price = shipped("prod").price
    assert price
    assert price.dollars_per_hour_now == price.dollars_per_hour.min < price.dollars_per_hour.max
    assert "an hour, now" in to_text(shipped("prod"))


def test_what_is_bought_first_is_what_is_priced() -> None:
    deployment = read_stack_file(BUDGET).values
    assert deployment_of(deployment)["sites"]["main"]["platform"]["nodes"]["purchase"] == ["spot", "on_demand"]
    plan = build_plan(validate(deployment_of(deployment), "case", {}), "case")
    assert lines(plan)["node pool `l40s-1`"].item == "g6e.xlarge (spot)"
    assert lines(plan)["node pool `gateway`"].item == "m6i.xlarge"


def test_auto_mode_has_its_fee_and_a_site_without_nat_has_none() -> None:
    auto = lines(planned({"nodes": {"kind": "auto_mode"}, "nat": "none"}))
    assert {"EKS Auto Mode for `gateway`", "EKS Auto Mode for `l40s-1`"} <= set(auto)
    assert not [what for what in auto if "NAT" in what]
    managed = lines(planned({"nat": "single"}))
    assert not [what for what in managed if "Auto Mode" in what]
    assert (managed["NAT gateways"].amount.min, lines(planned())["NAT gateways"].amount.min) == (1, 2)


def test_what_has_no_price_is_named_and_is_never_nothing() -> None:
    own = {"prices": [{"cloud": "gcp", "item": "c4-standard-4", "dollars": 0.2}]}
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.staging.yaml").values)
    deployment["sites"]["main"]["platform"]["gateway_machine_type"] = "c4-standard-4"
    plan = build_plan(validate(deployment, "x", {}), "x")
    line = lines(plan)["node pool `gateway`"]
    assert (line.item, line.dollars_per_month) == ("c4-standard-4", None)
    assert "no price, and in no sum: node pool `gateway`: c4-standard-4" in plan.warnings
    assert "no price" in to_text(plan)
    known = build_plan(validate({**deployment, "pricing": own}, "x", {}), "x")
    assert lines(known)["node pool `gateway`"].source == "the configuration"
    assert not [text for text in known.warnings if "no price" in text]


@pytest.mark.parametrize("region", ["us-central1", "us-east4", "europe-west4"])
def test_the_default_machines_of_google_have_a_price_with_a_date(region: str) -> None:
    settings = GcpSettings.model_fields
    for field, vcpus in (("gateway_machine_type", 4), ("processor_machine_type", 16)):
        price = price_book().price("gcp", region, settings[field].default)
        assert price
        assert price.as_of
        # N2 is priced by vCPU, with 4 GiB each: 0.0486 to 0.0548 an hour in these regions.
        assert 0.048 < price.dollars / vcpus < 0.055


def test_a_model_whose_machine_has_no_price_has_none_itself() -> None:
    plan = planned({"region": "eu-central-1", "zones": ["eu-central-1a", "eu-central-1b"]})
    assert plan.models["chat"].performance
    assert plan.models["chat"].price is None


def test_a_discount_is_off_the_list() -> None:
    off = planned(pricing={"discounts": [{"cloud": "aws", "percent": 50, "item": "g6e.xlarge"}]})
    line = lines(off)["node pool `l40s-1`"]
    assert line.dollars_per_month
    assert line.dollars_per_month.min == pytest.approx(2717.06 / 2, abs=0.01)


def test_instances_of_cloud_run_are_priced_by_what_they_have() -> None:
    plan = shipped("serverless")
    assert plan.price
    items = {(line.what, line.item): line.amount.max for line in plan.price.lines}
    assert items["service `slipway-x-main`", "cloud_run_gpu_l4"] == 2
    assert items["service `slipway-x-main`", "cloud_run_vcpu"] == 10  # four of the engine, one of the gateway
    # A load balancer and a way to the internet are there while nobody asks.
    assert plan.price.dollars_per_month.min == pytest.approx(730 * (0.025 + 0.044), abs=0.01)
    assert plan.models["chat"].price


@pytest.mark.parametrize("stack", ["dev", "onprem", "edge"])
def test_own_machines_have_no_price_and_nothing_is_said_of_one(stack: str) -> None:
    plan = shipped(stack)
    assert plan.price is None
    assert not [text for text in plan.warnings if "price" in text]
    assert "PRICE" not in to_text(plan)


def test_a_budget_on_own_machines_says_that_it_does_nothing() -> None:
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.onprem.yaml").values)
    plan = build_plan(validate({**deployment, "budget": {"dollars_per_month": 1}}, "x", {}), "x")
    assert [text for text in plan.warnings if "`budget` does nothing" in text]


def test_a_budget_is_of_all_sites_together() -> None:
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.prod.yaml").values)
    price = shipped("prod").price
    assert price
    between = {"budget": {"dollars_per_month": price.dollars_per_month.min + 1}}
    plan = build_plan(validate({**deployment, **between}, "x", {}), "x")
    assert [text for text in plan.warnings if "when everything scales out" in text]
    between["budget"]["dollars_per_month"] -= 2
    with pytest.raises(Refused, match="a month at the fewest replicas"):
        build_plan(validate({**deployment, **between}, "x", {}), "x")


def test_old_prices_are_said_only_with_a_date() -> None:
    assert not [text for text in planned().warnings if "older than" in text]
    (late,) = (text for text in planned(today=date(2027, 6, 1)).warnings if "older than" in text)
    # Of 15 in us-east-1, disks, the bucket, m6i.xlarge, addresses, alarms, keys and the firewall with its rules have no
    # date; the youngest of the others is of 2026-09-20.
    assert late.startswith("of 14 list prices, 8 are undated and 6 older than 180 days: ")
    (now,) = (text for text in planned(today=date(2026, 9, 28)).warnings if "older than" in text)
    assert now.startswith("of 14 list prices, 8 are undated and 1 older than 180 days: ")
    (next_day,) = (text for text in planned(today=date(2026, 9, 29)).warnings if "older than" in text)
    assert next_day.startswith("of 14 list prices, 8 are undated and 2 older than 180 days: ")


def test_a_card_that_is_added_to_a_machine_is_in_its_price() -> None:
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.staging.yaml").values)
    deployment["models"]["chat"] |= {"accelerator": {"type": "T4", "count": 4}, "precision": "float16"}
    del deployment["models"]["chat"]["quantization"]
    line = lines(build_plan(validate(deployment, "x", {}), "x"))["node pool `t4-4`"]
    assert (line.item, line.dollars_per_month is None) == ("n1-standard-16+T4x4", False)


def test_shield_is_paid_once_for_all_sites_and_then_no_firewall_is() -> None:
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.prod.yaml").values)
    for site in deployment["sites"].values():
        site["platform"]["shield_advanced"] = True
    plan = build_plan(validate(deployment, "x", {}), "x")
    plain = shipped("prod")
    assert plan.price
    assert plain.price
    (line,) = [line for line in plan.price.lines if line.item == "shield_advanced"]
    assert line.dollars_per_month
    assert line.dollars_per_month.min == line.dollars_per_month.max == pytest.approx(3000, abs=0.01)
    assert (line.what, bool(line.source), bool(line.as_of)) == ("Shield Advanced of the whole organisation", True, True)
    assert not [line for line in plan.price.lines if "web_firewall" in line.item]
    items = [line.item for line in plain.price.lines]
    assert "shield_advanced" not in items
    assert items.count("web_firewall") == len(plan.sites) == 2
    assert {site.security["floods"] for site in plan.sites.values()} == {"Shield Advanced guards the load balancer"}
    assert "floods" not in plain.sites["main"].security

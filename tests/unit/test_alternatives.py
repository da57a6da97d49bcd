"""Cheaper alternatives: what is offered is what it would make, does no less, and is never what would be refused."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import Accelerator, Alternative, DeploymentPlan, Replicas
from infra.platforms.aws.shapes import SHAPES
from infra.problems import Refused
from infra.report import FORMATS, to_data, to_text
from infra.stack_file import read_stack_file
from tests.unit.documents import CORPUS, deployment_of

HOURS = 730


def document(*, accelerator: str = "L40S", purchase: str = "on_demand", **model: Any) -> Any:
    """AWS in us-east-1, one model, nodes of our own: no fee on top of machines."""
    deployment = deployment_of(read_stack_file(CORPUS / "budget.happy.yaml").values)
    del deployment["pricing"], deployment["budget"]
    deployment["sites"]["main"]["platform"]["nodes"] = {"kind": "managed", "purchase": [purchase]}
    deployment["models"]["chat"] |= {"accelerator": {"type": accelerator}, **model}
    return deployment


def planned(deployment: Any) -> DeploymentPlan:
    return build_plan(validate(deployment, "case", {}), "case")


def offered(deployment: Any, model: str = "chat") -> tuple[Alternative, ...]:
    return planned(deployment).models[model].alternatives


def applied(deployment: Any, one: Alternative, model: str = "chat") -> Any:
    """The deployment with what the alternative says written into it."""
    changed = deepcopy(deployment)
    for change in one.changes:
        for key, value in yaml.safe_load(change).items():
            if key == "nodes.purchase":
                for site in changed["sites"].values():
                    site["platform"]["nodes"]["purchase"] = value
            else:
                changed["models"][model][key] = value
    return changed


def month(deployment: Any) -> float:
    price = planned(deployment).price
    assert price
    return price.dollars_per_month.min


def test_the_same_machines_as_spot_by_hand() -> None:
    """Two g6e.xlarge: 1.861 an hour on demand, 0.7816 as spot with 120 s notice; answers of 60 s end in time."""
    (one,) = offered(document())
    assert one.changes == ("nodes.purchase: [spot]",)
    assert (one.machines, one.instead_of) == ("2 × g6e.xlarge (spot)", "2 × g6e.xlarge")
    assert one.saves_dollars_per_month == pytest.approx(2 * HOURS * (1.861 - 0.7816), abs=0.01)
    assert one.dollars_per_month == pytest.approx(2 * HOURS * 0.7816, abs=0.01)
    assert one.saves_percent == 58.0
    assert one.gives_up == ("a machine may be taken away with 120 s notice, and its price moves",)
    plan = planned(document())
    _, _, row, *said = to_text(plan).split("CHEAPER ALTERNATIVES")[1].splitlines()
    assert re.split(r"\s{2,}", row.strip()) == [
        "chat",
        "2 × g6e.xlarge (spot)",
        "2 × g6e.xlarge",
        "1,141.14",
        "1,575.92 (-58 %)",
    ]
    assert said[:2] == [
        "  model chat, 2 × g6e.xlarge (spot): write `nodes.purchase: [spot]`",
        f"  model chat, 2 × g6e.xlarge (spot): what is given up: {one.gives_up[0]}",
    ]
    for form in ("markdown", "html"):
        after = FORMATS[form](plan).split("Cheaper alternatives")[-1]
        assert all(words in after for words in (*one.changes, one.machines, "1,575.92 (-58 %)", *one.gives_up))
    assert to_data(plan)["models"]["chat"]["alternatives"][0]["saves_percent"] == 58.0


CASES = {
    "H100": document(accelerator="H100"),
    "T4": document(accelerator="T4", precision="float16", accelerator_count=0),
    "auto mode": document(accelerator="H100"),
    "objective": document(
        accelerator="H100",
        scaling={"min_replicas": 6, "max_replicas": 8},
        objective={"requests_per_second": 1.5, "time_per_output_token_milliseconds": 40},
    ),
    "users": document(
        accelerator="H100",
        scaling={"min_replicas": 4, "max_replicas": 8},
        objective={"concurrent_users": 12},
    ),
}
CASES["auto mode"]["sites"]["main"]["platform"]["nodes"]["kind"] = "auto_mode"
del CASES["T4"]["models"]["chat"]["accelerator_count"]
CASES["T4"]["models"]["chat"]["accelerator"]["count"] = 4


@pytest.mark.parametrize("case", CASES)
def test_what_is_offered_is_what_it_makes_and_is_not_refused(case: str) -> None:
    """Written into the deployment, each makes exactly the bill that it said, and reaches the objective."""
    deployment = CASES[case]
    found = offered(deployment)
    assert found
    for one in found:
        changed = applied(deployment, one)
        assert month(deployment) - month(changed) == pytest.approx(one.saves_dollars_per_month, abs=0.05)
        assert one.saves_percent >= 20
        assert planned(changed).models["chat"].replicas == one.replicas
    assert [one.saves_dollars_per_month for one in found] == sorted(
        (one.saves_dollars_per_month for one in found), reverse=True
    )


def test_without_an_objective_as_many_requests_are_done() -> None:
    deployment = document(accelerator="H100")
    now = planned(deployment).models["chat"]
    assert now.performance
    for one in offered(deployment):
        after = planned(applied(deployment, one)).models["chat"]
        assert after.performance
        each = after.performance.requests_per_second
        assert after.replicas.min * each >= now.replicas.min * now.performance.requests_per_second * 0.98
        assert after.replicas.min >= 2
        slower = after.performance.time_per_output_token_ms > 1.05 * now.performance.time_per_output_token_ms
        assert any(text.startswith("slower, ") for text in one.gives_up) == slower


def test_an_objective_below_what_runs_is_enough() -> None:
    needed = offered(CASES["objective"])
    assert {one.replicas.min for one in needed} <= {2, 3, 4}
    assert any("instead of 6" in text for one in needed for text in one.gives_up)
    # Two replicas of 2 A10G each would be on one machine of 4, which costs less.
    assert not [one for one in needed if one.machines.startswith("1 ")]
    # Four at once are what 16 users of 4 replicas have; 12 of them are asked for.
    assert {one.replicas.min for one in offered(CASES["users"])} == {3}


def test_two_replicas_on_two_machines_stay_where_there_are_two() -> None:
    """However little is asked for: one alone is lost with its machine. Where one runs, one may be offered."""
    little = {"requests_per_second": 0.01}
    for fewest in (1, 2, 6):
        scaling = {"min_replicas": fewest, "max_replicas": 8}
        found = offered(document(accelerator="H100", scaling=scaling, objective=little))
        assert {one.replicas.min for one in found} == {min(fewest, 2)}
        assert {one.machines.partition(" ")[0] for one in found} == {str(min(fewest, 2))}


def test_a_first_token_that_comes_too_late_is_not_offered() -> None:
    """An L40S takes 119 ms at best with four prompts at once; alone, one would come in time."""
    objective = {"requests_per_second": 1.0, "time_to_first_token_seconds": 0.15}
    for seconds, allowed in ((0.15, True), (0.1, False)):
        objective["time_to_first_token_seconds"] = seconds
        found = offered(document(accelerator="H100", objective=objective))
        assert found
        assert (Accelerator(type="L40S", count=1) in [one.accelerator for one in found]) == allowed


def test_spot_is_not_offered_where_an_answer_may_outlast_its_notice() -> None:
    assert offered(document(longest_generation_seconds=120)) == ()
    assert offered(document(longest_generation_seconds=90))


def test_a_machine_without_a_price_is_not_offered() -> None:
    """No row of eu-central-1 has a price."""
    deployment = document()
    deployment["sites"]["main"]["platform"] |= {"region": "eu-central-1", "zones": ["eu-central-1a", "eu-central-1b"]}
    assert offered(deployment) == ()


def test_below_a_fifth_nothing_is_offered_and_from_a_fifth_on_it_is() -> None:
    for spot, count in ((0.8001 * 1.861, 0), (0.7999 * 1.861, 1)):
        prices = [
            {"cloud": "aws", "item": one.name, "purchase": "spot", "dollars": spot if one.name == "g6e.xlarge" else 999}
            for machines in SHAPES.values()
            for one in machines
        ]
        assert len(offered({**document(), "pricing": {"prices": prices}})) == count


def test_own_machines_are_not_exchanged() -> None:
    deployment = deployment_of(read_stack_file(CORPUS.parents[1] / "Pulumi.hybrid.yaml").values)
    assert offered(deployment) == ()


def test_sites_that_cost_the_same_are_counted_each() -> None:
    """Two regions of the same shape: twice the saving. A cold standby runs nothing and saves nothing."""
    deployment = document()
    deployment["gateway"]["limits_store"]["gateways"] = 4
    west = deepcopy(deployment["sites"]["main"])
    west["platform"]["network"] = {"cidr": "10.41.0.0/16"}
    deployment["sites"]["again"] = west
    deployment["topology"] = {"kind": "hybrid", "order": ["main", "again"]}
    (one,) = offered(deployment)
    assert one.machines == "4 × g6e.xlarge (spot)"
    assert one.saves_dollars_per_month == pytest.approx(4 * HOURS * (1.861 - 0.7816), abs=0.01)
    assert one.replicas == Replicas(min=2, max=6)


def test_other_models_of_a_site_are_said_and_not_counted() -> None:
    deployment = document()
    deployment["models"]["second"] = {
        **deployment["models"]["chat"],
        "accelerator": {"type": "L4"},
        "quantization": "fp8",
    }
    deployment["clients"]["web"]["models"].append("second")
    one = offered(deployment)[0]
    assert one.saves_dollars_per_month == pytest.approx(2 * HOURS * (1.861 - 0.7816), abs=0.01)
    assert one.gives_up[-1] == "the other models of its sites are bought so too"


def test_models_that_share_machines_are_judged_together() -> None:
    """Two models of two H200 each are on one machine of eight: one that leaves saves nothing of it."""
    deployment = document(accelerator="H200", scaling={"min_replicas": 1, "max_replicas": 1})
    deployment["models"]["chat"]["accelerator"]["count"] = 2
    deployment["models"]["second"] = {**deployment["models"]["chat"]}
    deployment["clients"]["web"]["models"].append("second")
    for model in ("chat", "second"):
        found = offered(deployment, model)
        assert all("nodes.purchase: [spot]" in one.changes for one in found)
        for one in found:
            assert month(deployment) - month(applied(deployment, one, model)) == pytest.approx(
                one.saves_dollars_per_month, abs=0.05
            )


def test_over_budget_names_a_change_that_fits_and_is_allowed() -> None:
    deployment = {**document(), "budget": {"dollars_per_month": 2500}}
    with pytest.raises(Refused) as found:
        planned(deployment)
    (problem,) = found.value.problems
    assert problem.remedy.startswith("what would fit: `nodes.purchase: [spot]` for `chat` (")
    # Where spot is refused, it is no remedy.
    deployment["models"]["chat"]["longest_generation_seconds"] = 120
    with pytest.raises(Refused) as found:
        planned(deployment)
    assert "spot" not in found.value.problems[0].remedy

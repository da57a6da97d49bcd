"""What one change costs where it runs a replica more: for how long, on which machines, and in no sum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.price_types import RolloutPrice
from infra.plan.types import DeploymentPlan
from infra.report import to_text
from infra.report.html import to_html
from infra.report.markdown import to_markdown

AWS: dict[str, Any] = {
    "kind": "aws",
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "domain": "llm.example.com",
    "network": {"cidr": "10.40.0.0/16"},
    "nodes": {"kind": "managed"},
}
OWN: dict[str, Any] = {"kind": "kubernetes", "context": "datacentre", "leader_worker_set": True, "keda": True}
CHAT: dict[str, Any] = {
    "source": {
        "kind": "huggingface",
        "repo": "Qwen/Qwen3-8B",
        "revision": "b968826d9c46dd6066d109eabc6255188de91218",
    },
    "engine": {"kind": "vllm"},
    "accelerator": {"type": "L40S"},
    "scaling": {"min_replicas": 2, "max_replicas": 6},
}
LARGE: dict[str, Any] = {
    "source": {
        "kind": "huggingface",
        "repo": "deepseek-ai/DeepSeek-R1",
        "revision": "56d4cbbb4d29f4355bab4b9a39ccb717a14ad5ad",
    },
    "accelerator": {"type": "H100", "count": 8, "nodes": 2},
    "scaling": {"min_replicas": 2, "max_replicas": 3},
}
TITLE = "One change: a replica more until all have started again"


def planned(platform: dict[str, Any] = AWS, **model: Any) -> DeploymentPlan:
    deployment = {
        "topology": {"kind": "microservice"},
        "sites": {"here": {"platform": platform}},
        "models": {"chat": {**CHAT, **model}},
        "clients": {"web": {"models": ["chat"]}},
        "gateway": {"limits": {"keep_alive_seconds": 155}},
    }
    return build_plan(validate(deployment, "case", {}), "case")


def rollout(plan: DeploymentPlan) -> RolloutPrice:
    assert plan.price
    (found,) = plan.price.rollouts
    return found


def test_it_is_one_machine_for_as_many_starts_as_there_are_replicas() -> None:
    plan = planned()
    found, start = rollout(plan), plan.models["chat"].cold_start
    assert (found.site, found.model, found.gpus) == ("here", "chat", 1)
    # g6e.xlarge in us-east-1.
    assert found.dollars_per_hour == pytest.approx(1.861)
    assert start
    assert found.minutes
    assert found.dollars
    for end, replicas in (("min", 2), ("max", 6)):
        seconds = replicas * start.seconds_by_site["here"]
        assert getattr(found.minutes, end) == pytest.approx(seconds / 60, abs=0.1)
        assert getattr(found.dollars, end) == pytest.approx(1.861 * seconds / 3600, abs=0.01)


def test_fees_of_the_machine_are_in_it() -> None:
    auto = rollout(planned({**AWS, "nodes": {"kind": "auto_mode"}})).dollars_per_hour
    assert auto is not None
    assert auto > 1.861 * 1.05


def test_it_is_in_no_sum() -> None:
    spare, in_place = planned().price, planned(rollout="in_place").price
    assert spare
    assert in_place
    assert in_place.rollouts == ()
    assert replace(spare, rollouts=()) == in_place


def test_a_replica_of_several_nodes_is_several_machines_and_all_of_their_gpus() -> None:
    plan = planned({**AWS, "nodes": {"kind": "auto_mode"}}, **LARGE)
    found = rollout(plan)
    assert found.gpus == 16
    assert plan.price
    machine = next(line for line in plan.price.lines if line.what == "node pool `h100-8`")
    assert machine.dollars_per_month
    assert found.dollars_per_hour is not None
    assert found.dollars_per_hour > 2 * machine.dollars_per_month.max / machine.amount.max / 730


def test_what_has_no_price_has_none_here() -> None:
    found = rollout(planned({**AWS, "region": "eu-north-1", "zones": ["eu-north-1a", "eu-north-1b"]}))
    assert found.dollars_per_hour is found.dollars is None
    assert found.minutes


def test_own_machines_are_told_of_the_gpus() -> None:
    plan = planned(OWN)
    assert plan.price is None
    assert "and 1 more while a change runs" in to_html(plan)
    assert "more while a change runs" not in to_html(planned(OWN, rollout="in_place"))


@pytest.mark.parametrize("write", [to_text, to_markdown, to_html])
def test_every_format_says_it(write: Any) -> None:
    assert TITLE in write(planned())
    assert TITLE not in write(planned(rollout="in_place"))

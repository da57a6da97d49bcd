"""Replicas of several nodes in the plan: every node counted, priced and sized; a worker that outlives its leader."""

from __future__ import annotations

from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.plan_data import mapping
from infra.plan.quota import quota
from infra.plan.replicas_in_flight import of_model, site_facts
from infra.plan.types import DeploymentPlan
from infra.price.bill import HOURS_PER_MONTH
from infra.price.book import price_book
from infra.problems import Refused
from infra.report import to_data, to_text

COMMIT = "56d4cbbb4d29f4355bab4b9a39ccb717a14ad5ad"
OWN: dict[str, Any] = {"kind": "kubernetes", "context": "datacentre", "leader_worker_set": True, "keda": True}
AWS: dict[str, Any] = {
    "kind": "aws",
    "region": "us-east-1",
    "zones": ["us-east-1a", "us-east-1b"],
    "domain": "llm.example.com",
    "network": {"cidr": "10.40.0.0/16"},
}


def planned(platform: dict[str, Any] = OWN, engine: str = "vllm", **model: Any) -> DeploymentPlan:
    large = {
        "source": {"kind": "huggingface", "repo": "deepseek-ai/DeepSeek-R1", "revision": COMMIT},
        "engine": {"kind": engine},
        "accelerator": {"type": "H100", "count": 8, "nodes": 2},
        "scaling": {"min_replicas": 2, "max_replicas": 3},
        **model,
    }
    deployment = {
        "topology": {"kind": "microservice"},
        "sites": {"here": {"platform": platform}},
        "models": {"large": large},
        "clients": {"web": {"models": ["large"]}},
        "gateway": {"limits": {"keep_alive_seconds": 155}},
    }
    return build_plan(validate(deployment, "case", {}), "case")


def test_every_node_of_a_cloud_is_a_machine_that_is_paid_for() -> None:
    plan = planned(AWS)
    (pool,) = [pool for pool in plan.sites["here"].node_pools if pool.accelerator]
    assert (pool.min_nodes, pool.max_nodes) == (4, 6)
    assert plan.price is not None
    (line,) = [line for line in plan.price.lines if line.item == "p5.48xlarge"]
    assert (line.amount.min, line.amount.max) == (4, 6)
    assert plan.models["large"].alternatives == ()


def test_a_spare_is_a_whole_group() -> None:
    start = planned(AWS).models["large"].cold_start
    assert start is not None
    (spare,) = [cure for cure in start.cures if cure.name == "warm_spare"]
    price = price_book().price("aws", "us-east-1", "p5.48xlarge", "on_demand")
    assert price is not None
    assert spare.dollars_per_month == pytest.approx(2 * price.dollars * HOURS_PER_MONTH, rel=0.001)


def test_its_memory_is_that_of_its_stage() -> None:
    """Half of the layers on each node; with one of them nothing fits."""
    memory = planned().models["large"].memory
    assert memory is not None
    assert memory.weights_gib < 45
    with pytest.raises(Refused, match="weights_do_not_fit"):
        planned(accelerator={"type": "H100", "count": 8})


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_worker_may_live_as_long_as_its_leader_and_no_longer(engine: str) -> None:
    plan = planned(engine=engine).sites["here"].details.serving.engines["large"]
    leader, worker = plan.pod, plan.groups.worker
    assert worker.grace_seconds == leader.grace_seconds
    drain = mapping(worker.specification, "engines", "large")["drain_seconds"]
    ends = mapping(leader.specification, "engines", "large")["drain_seconds"]
    assert ends < drain < worker.grace_seconds - worker.pre_stop_seconds


def test_a_worker_has_no_key_and_no_api() -> None:
    plan = planned().sites["here"].details.serving.engines["large"]
    told = mapping(plan.groups.worker.specification, "engines", "large")
    assert (told["key_file"], told["key_environment"], told["node"]) == (None, None, "worker")
    assert plan.groups.worker.key_files == {}
    assert mapping(plan.pod.specification, "engines", "large")["node"] == "leader"


def test_the_quota_has_room_for_every_node_of_one_more_replica() -> None:
    site = planned().sites["here"].details
    hard = quota(site.serving, site.nodes)
    assert hard["requests.nvidia.com/gpu"] == str((3 + 1) * 2 * 8)


def test_there_is_a_policy_for_as_many_groups_as_there_may_be() -> None:
    """One more while a change takes over, but where a change takes one away first."""
    for rollout, groups in (("spare", 4), ("in_place", 3)):
        serving = planned(rollout=rollout).sites["here"].details.serving
        assert len(serving.parties) == groups
        assert {flow.source for flow in serving.flows} >= {*serving.parties}


def test_a_reader_is_told() -> None:
    plan = planned()
    assert "2 × 8 × H100" in to_text(plan)
    assert [warning for warning in plan.warnings if "network policies alone" in warning]
    assert [warning for warning in plan.warnings if "LeaderWorkerSet 0.8.0" in warning]


def test_a_change_of_the_nodes_replaces_every_replica() -> None:
    before, after = to_data(planned()), to_data(planned(accelerator={"type": "H100", "count": 8, "nodes": 4}))
    (row,) = of_model("large", before, after, site_facts(before, after))
    assert "accelerator" in row.text


def test_room_for_one_more_is_room_for_all_of_its_nodes() -> None:
    """Three machines beside two groups of two would be room for a single-node replica, and for one group only."""
    before = to_data(planned(AWS))
    after = to_data(planned(AWS, longest_generation_seconds=121))
    rows = [*of_model("large", before, after, site_facts(before, after))]
    assert [row.effect for row in rows] == ["rolling"]
    (pool,) = [pool for pool in after["sites"]["here"]["node_pools"] if pool["accelerator"]]
    pool["max_nodes"] = pool["min_nodes"] + 1
    (cramped,) = of_model("large", before, after, site_facts(before, after))
    assert "no machine is left for one more" in cramped.text

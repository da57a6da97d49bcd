"""Gateway and engine in one pod: what is planned of it, what is refused, and who ends first."""

from __future__ import annotations

from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.flows import ANYWHERE, API_SERVER, PROMETHEUS
from infra.plan.gateway_pods import gateway_file
from infra.plan.in_cluster import ENGINE, GATEWAY
from infra.plan.quota import quota
from infra.plan.serving import ServingPlan
from infra.plan.types import DeploymentPlan
from infra.problems import Refused
from tests.components import engines


def planned(platform: dict[str, Any] | None = None, **model: Any) -> DeploymentPlan:
    deployment = engines.document({"prometheus": True, **(platform or {})}, None, **{"scaling": None, **model})
    deployment["topology"] = {"kind": "monolithic"}
    return build_plan(validate(deployment, "case", {}), "case")


def serving(**model: Any) -> ServingPlan:
    return planned(**model).sites["here"].details.serving


def test_one_replica_of_one_pod() -> None:
    plan = serving()
    engine = plan.engines["chat"]
    assert (plan.gateway_pods.replicas.min, plan.gateway_pods.replicas.max) == (1, 1)
    assert engine.beside_gateway
    assert engine.scaling is None
    assert plan.shared_limits is None
    assert not plan.finds_engines


def test_the_gateway_finds_it_at_loopback_and_asks_nobody() -> None:
    plan = serving()
    origins = {"chat": plan.engines["chat"].origin or ""}
    (upstream,) = gateway_file(plan.gateway, {"chat": "engine-chat"}, origins)["models"]["chat"]["upstreams"]
    assert upstream["url"] == "http://127.0.0.1:8000"
    assert "discover" not in upstream
    assert upstream["key_file"], "it asks for its key there too"
    assert not [flow for flow in plan.flows if flow.target in (ENGINE, API_SERVER)]
    assert [flow for flow in plan.flows if (flow.source, flow.target, flow.port) == (PROMETHEUS, GATEWAY, 9092)]
    assert not [flow for flow in plan.flows if (flow.source, flow.target) == (GATEWAY, ANYWHERE)]


def test_the_engine_ends_when_the_gateway_has() -> None:
    """As a sidecar it is told so only then; what it does before is the gateway's last answers."""
    plan = serving(longest_generation_seconds=300)
    pods, engine = plan.gateway_pods, plan.engines["chat"].pod
    assert engine.pre_stop_seconds == 0
    assert pods.pre_stop_seconds + pods.drain_seconds < pods.grace_seconds
    assert pods.drain_seconds >= 300


def test_it_is_ready_when_its_engine_is() -> None:
    plan = serving()
    assert plan.gateway_pods.ready_seconds > plan.engines["chat"].container.probes.startup.period_seconds * (
        plan.engines["chat"].container.probes.startup.failures or 0
    )


def test_the_quota_has_no_room_for_an_engine_of_its_own() -> None:
    site = planned().sites["here"].details
    hard = quota(site.serving, site.nodes)
    assert hard["requests.nvidia.com/gpu"] == "2", "one, and one while it is replaced"
    assert hard["pods"] == "4", "the pod and its successor, and two jobs"


def test_what_it_cannot_promise_is_said() -> None:
    (said,) = [warning for warning in planned().warnings if "one pod" in warning]
    assert "not guaranteed here" in said
    assert "disruption budget" in said


def test_several_nodes_are_no_one_pod() -> None:
    with pytest.raises(Refused) as refused:
        planned(
            {"leader_worker_set": True},
            source={
                "kind": "huggingface",
                "repo": "deepseek-ai/DeepSeek-R1",
                "revision": "56d4cbbb4d29f4355bab4b9a39ccb717a14ad5ad",
            },
            accelerator={"type": "H100", "count": 8, "nodes": 2},
        )
    assert [problem.where for problem in refused.value.problems] == ["slipway:deployment.models.chat.accelerator.nodes"]


def test_a_topology_with_pods_of_their_own_is_as_it_was() -> None:
    assert not engines.serving().engines["chat"].beside_gateway
    assert engines.serving().finds_engines

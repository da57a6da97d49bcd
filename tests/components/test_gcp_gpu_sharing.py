"""GPUs that replicas share on node pools of GKE: how machines are told, what pods ask for, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.platforms.gcp.gpu_sharing import PARTS
from infra.platforms.gcp.machines import CARDS
from infra.problems import Refused
from infra.stack_file import read_stack_file
from tests.harness import Recorder
from tests.manifests import recorded
from tests.on_gcp import FILE, Deployment, inputs, platform

POOL = "gcp:container/nodePool:NodePool"
CHAT, PART, LARGE = "l4-1", "h100-1", "rtx-pro-6000-1"
SMALL = {"kind": "huggingface", "repo": "Qwen/Qwen3-0.6B", "revision": "c1899de289a04d12100db370d81485cdf75e47ca"}
SHARING = {
    "L4": {"kind": "time_slices", "replicas": 2},
    "H100": {"kind": "mig", "profile": "3g.40gb"},
    "RTX-PRO-6000": {"kind": "mig", "profile": "2g.48gb"},
}


def shared(deployment: Deployment) -> None:
    """L4 in turn, H100 and RTX PRO 6000 by MIG."""
    platform(deployment)["nodes"] = {"sharing": deepcopy(SHARING), "purchase": ["on_demand", "flex_start"]}
    chat = deployment["models"]["chat"]
    part = deepcopy(chat)
    chat |= {"source": SMALL, "engine": chat["engine"] | {"gpu_memory_percent": 45}}
    chat["scaling"] = {"min_replicas": 4, "max_replicas": 7}
    del chat["quantization"]
    deployment["models"]["part"] = part | {
        "accelerator": {"type": "H100"},
        "scaling": {"min_replicas": 3, "max_replicas": 4},
    }
    deployment["clients"]["web"]["models"] = ["chat", "part"]


def large(deployment: Deployment) -> None:
    """RTX PRO 6000 alone, which flex-start does not sell."""
    platform(deployment)["nodes"] = {"sharing": {"RTX-PRO-6000": SHARING["RTX-PRO-6000"]}}
    deployment["models"]["chat"]["accelerator"] = {"type": "RTX-PRO-6000"}
    deployment["models"]["chat"]["scaling"] = {"min_replicas": 2, "max_replicas": 4}
    del deployment["models"]["chat"]["quantization"]


@cache
def registrations(change: Callable[[Deployment], None] = shared) -> Recorder:
    return recorded(FILE, change)


def planned(change: Any = None, base: Callable[[Deployment], None] = shared) -> DeploymentPlan:
    deployment: Deployment = read_stack_file(FILE).values["config"]["slipway:deployment"]
    base(deployment)
    if change:
        change(deployment)
    return build_plan(validate(deployment, "staging", {}), "staging")


def nodes(**changes: Any) -> Any:
    def change(deployment: Deployment) -> None:
        platform(deployment)["nodes"] |= changes

    return change


def cards(change: Callable[[Deployment], None] = shared) -> dict[str, dict[str, Any]]:
    pools = inputs(registrations(change), POOL)
    found = {
        name.removeprefix("main-pools-"): pool["nodeConfig"].get("guestAccelerators") for name, pool in pools.items()
    }
    return {name: some[0] for name, some in found.items() if some}


def test_machines_are_told_how_their_gpus_are_shared_however_they_are_bought() -> None:
    found = cards()
    assert {*found} == {f"{pool}-{way}" for pool in (CHAT, PART) for way in ("on-demand", "flex-start")}
    for name, card in found.items():
        assert card["count"] == 1
        if CHAT in name:
            in_turn = {"gpuSharingStrategy": "TIME_SHARING", "maxSharedClientsPerGpu": 2}
            assert card["gpuSharingConfig"] == in_turn, name
            assert "gpuPartitionSize" not in card, name
        else:
            assert card["gpuPartitionSize"] == "3g.40gb", name
            assert "gpuSharingConfig" not in card, name
    assert cards(large)[f"{LARGE}-on-demand"]["gpuPartitionSize"] == "2g.48gb"


def test_pods_ask_for_one_share_of_their_class() -> None:
    engines = inputs(registrations(), "kubernetes:apps/v1:Deployment")
    for model, pool in (("chat", CHAT), ("part", PART)):
        pod = engines[f"main-serving-engine-{model}-engine"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        # GKE calls a part as it calls a whole one.
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert pod["nodeSelector"] == {"cloud.google.com/compute-class": pool}


def test_the_plan_counts_replicas_that_share_and_takes_machines_with_room_for_them() -> None:
    plan = planned().sites["main"]
    pools = {pool.name: pool for pool in plan.node_pools}
    # Four to seven replicas, two on a GPU; two pods of 17 GiB are too many for the 32 GiB of `g2-standard-8`.
    assert (pools[CHAT].shape, pools[CHAT].min_nodes, pools[CHAT].max_nodes) == ("g2-standard-12", 2, 4)
    assert (pools[PART].shape, pools[PART].min_nodes, pools[PART].max_nodes) == ("a3-highgpu-1g", 2, 2)
    assert plan.summary[f"shared GPUs {CHAT}"] == "2 replicas on each GPU, in turn"
    assert plan.summary[f"shared GPUs {PART}"] == "2 replicas on each GPU, each has a part of it (`3g.40gb`)"
    engine = plan.details.serving.engines["chat"]
    assert engine.pod.processors * 2 < 12, "two of them, and the system, on one machine"
    assert plan.details.machines.pools[f"{CHAT}-on-demand"].cards == 1
    alone = planned(nodes(sharing={})).sites["main"]
    assert {pool.name: (pool.min_nodes, pool.max_nodes) for pool in alone.node_pools}[CHAT] == (4, 7)
    assert not [name for name in alone.summary if name.startswith("shared")]


def test_a_disk_has_room_for_all_that_share_a_gpu() -> None:
    def disk(change: Any = None) -> int:
        return planned(change).sites["main"].details.machines.disk_gibibytes

    assert disk() > disk(nodes(sharing={}))


def test_fewer_gpus_are_asked_for() -> None:
    def gpus(change: Any = None) -> int:
        needs = planned(change).sites["main"].details.quotas
        return next(need.needed for need in needs if need.code == "NVIDIA-L4-GPUS-per-project-region")

    assert (gpus(), gpus(nodes(sharing={}))) == (4 + 1, 7 + 1)


def test_a_bill_is_lower() -> None:
    def price(plan: DeploymentPlan) -> float:
        line = next(one for one in plan.price.lines if PART in one.what) if plan.price else None
        assert line is not None
        assert line.dollars_per_month is not None
        return line.dollars_per_month.max

    assert price(planned()) == pytest.approx(price(planned(nodes(sharing={}))) / 2, rel=0.01)


def test_what_is_weaker_is_said() -> None:
    said = " ".join(planned().warnings)
    assert "model `chat`: its speed is that of a GPU of its own, and 2 replicas share one" in said
    assert "model `part`: memory and speed are those of a whole GPU, and it gets a part (`3g.40gb`)" in said


def test_only_cards_that_can_be_planned_are_divided() -> None:
    assert {*PARTS} <= {*CARDS}
    assert PARTS["RTX-PRO-6000"] == {"1g.24gb": 4, "2g.48gb": 2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nodes(sharing={"L4": {"kind": "claim"}}), "starts no machine for a claim"),
        (nodes(sharing={"L4": {"kind": "mig", "profile": "1g.5gb"}}), "no machine here divides into parts"),
        (nodes(sharing={"H100": {"kind": "mig", "profile": "1g.10gb"}}), "without its KV cache"),
        (nodes(sharing={"L4": {"kind": "time_slices", "replicas": 4}}), "whoever shares a GPU shares its memory"),
        (lambda it: it["models"]["chat"].update(machine={"memory_gibibytes": 30}), "on `g2-standard-12`, which has 48"),
        (
            lambda it: it["models"]["chat"].update(
                objective={"requests_per_second": 1, "input_tokens": 100, "output_tokens": 100}
            ),
            "where 2 replicas share one `L4`",
        ),
    ],
)
def test_what_cannot_be_is_refused(change: Any, said: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(change)
    assert said in str(refused.value)

"""GPUs that replicas share on node groups of ours: who is told, what the autoscaler knows, and what it costs."""

from __future__ import annotations

import json
import tomllib
from base64 import b64decode
from typing import Any

import pytest

from infra.plan.types import DeploymentPlan
from infra.platforms.aws.gpu_sharing import MIG_NAMES
from infra.platforms.gpu_shares import MIG_PARTS
from infra.problems import Refused
from tests.on_aws import inputs, plan_of, platform, registrations

GROUP, TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"
CHAT, PART = "l40s-1", "h100-1"
PLUGIN = "nvidia-device-plugin"


def shared_plan(change: Any = None) -> DeploymentPlan:
    return plan_of("shared", change)


def nodes(**changes: Any) -> Any:
    def change(deployment: dict[str, Any]) -> None:
        platform(deployment)["nodes"] |= changes

    return change


def told(pool: str) -> dict[str, Any]:
    """What Bottlerocket reads at a machine's start."""
    template = inputs(registrations("shared"), TEMPLATE)[f"main-groups-{pool}-on-demand"]
    content = tomllib.loads(b64decode(template["userData"]).decode())
    assert "bootstrap-commands" in content["settings"], "and its local disks as ever"
    return content["settings"]["kubelet-device-plugins"]["nvidia"]


def test_machines_are_told_how_their_gpus_are_shared() -> None:
    assert told(CHAT) == {
        "device-sharing-strategy": "time-slicing",
        "time-slicing": {"replicas": 3, "rename-by-default": False, "fail-requests-greater-than-one": True},
    }
    assert told(PART) == {"device-partitioning-strategy": "mig", "mig": {"profile": {"h100.80gb": "3g.40gb"}}}
    alone = inputs(registrations("managed"), TEMPLATE)["main-groups-l40s-1-spot"]["userData"]
    assert "kubelet-device-plugins" not in b64decode(alone).decode()


def test_the_autoscaler_knows_shares_of_machines_that_are_not_there() -> None:
    tags = inputs(registrations("shared"), "aws:autoscaling/tag:Tag")
    groups = [name for name in inputs(registrations("shared"), GROUP) if CHAT in name or PART in name]
    assert {*tags} == {f"{name}-gpu" for name in groups}
    found = {name: one["tag"]["value"] for name, one in tags.items()}
    assert {found[name] for name in found if CHAT in name} == {"3"}
    assert {found[name] for name in found if PART in name} == {"2"}
    assert {one["tag"]["key"].partition("resources/")[2] for one in tags.values()} == {"nvidia.com/gpu"}


def test_pods_ask_for_one_share() -> None:
    engines = inputs(registrations("shared"), "kubernetes:apps/v1:Deployment")
    for model in ("chat", "part"):
        (container,) = engines[f"main-serving-engine-{model}-engine"]["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_plan_counts_replicas_that_share_and_takes_machines_with_room_for_them() -> None:
    plan = shared_plan().sites["main"]
    pools = {pool.name: pool for pool in plan.node_pools}
    # Four to seven replicas, three on a GPU; three pods of 17 GiB are too many for the 32 GiB of `g6e.xlarge`.
    assert (pools[CHAT].shape, pools[CHAT].min_nodes, pools[CHAT].max_nodes) == ("g6e.2xlarge", 2, 3)
    assert (pools[PART].shape, pools[PART].min_nodes, pools[PART].max_nodes) == ("p5.4xlarge", 2, 2)
    assert plan.summary[f"shared GPUs {CHAT}"] == "3 replicas on each GPU, in turn"
    assert plan.summary[f"shared GPUs {PART}"] == "2 replicas on each GPU, each has a part of it (`3g.40gb`)"
    engine = plan.details.serving.engines["chat"]
    assert engine.pod.processors * 3 < 8, "three of them, and the system, on one machine"
    alone = shared_plan(nodes(sharing={})).sites["main"]
    assert {pool.name: (pool.min_nodes, pool.max_nodes) for pool in alone.node_pools}[CHAT] == (4, 7)
    assert not [name for name in alone.summary if name.startswith("shared")]


def test_a_bill_is_lower_and_tokens_are_not_as_cheap_as_with_a_gpu_for_each() -> None:
    def prices(plan: DeploymentPlan) -> tuple[float, float]:
        line = next(one for one in plan.price.lines if PART in one.what) if plan.price else None
        price = plan.models["part"].price
        assert line is not None
        assert line.dollars_per_month is not None
        assert price is not None
        return line.dollars_per_month.max, price.dollars_per_million_output_tokens

    shared, alone = prices(shared_plan()), prices(shared_plan(nodes(sharing={})))
    assert shared[0] == pytest.approx(alone[0] / 2, rel=0.01)
    # Both replicas of a GPU are together as fast as it is.
    assert shared[1] == pytest.approx(alone[1], rel=0.01)


def test_amazon_linux_has_the_settings_of_every_way_and_a_label_chooses_one() -> None:
    sharing = {"L40S": {"kind": "time_slices", "replicas": 3}}
    details = shared_plan(nodes(sharing=sharing, image="amazon_linux_2023")).sites["main"].details
    config = details.controllers[PLUGIN].values["config"]
    labels = {pool.pool: pool.labels.get("nvidia.com/device-plugin.config") for pool in details.machines.pools.values()}
    assert labels == {"gateway": None, CHAT: "time-slices-3", PART: None}
    assert {*config["map"]} == {"whole", "time-slices-3"}
    assert json.loads(config["map"][config["default"]]) == {"version": "v1"}, "machines without a label share nothing"
    assert json.loads(config["map"]["time-slices-3"])["sharing"]["timeSlicing"] == {
        "renameByDefault": False,
        "failRequestsGreaterThanOne": True,
        "resources": [{"name": "nvidia.com/gpu", "replicas": 3}],
    }
    alone = shared_plan(nodes(sharing={}, image="amazon_linux_2023")).sites["main"].details
    assert not alone.controllers[PLUGIN].values
    bottlerocket = shared_plan().sites["main"].details
    assert PLUGIN not in bottlerocket.controllers, "it has its own"


def test_what_is_weaker_is_said_and_nothing_cheaper_is_offered() -> None:
    plan = shared_plan()
    said = " ".join(plan.warnings)
    assert "model `chat`: its speed is that of a GPU of its own, and 3 replicas share one" in said
    assert "model `part`: memory and speed are those of a whole GPU, and it gets a part (`3g.40gb`)" in said
    assert not any(model.alternatives for model in plan.models.values())


def test_every_profile_divides_its_gpu_into_two_parts_or_more() -> None:
    for accelerator, divided in MIG_PARTS.items():
        memory = int(MIG_NAMES[accelerator].partition(".")[2].removesuffix("gb"))
        for profile, parts in divided.items():
            processors, size = (int(part.rstrip("gb")) for part in profile.split("."))
            assert parts >= 2
            assert parts * processors <= 7
            # Sizes are rounded up.
            assert parts * (size - 1) <= memory


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nodes(sharing={"L40S": {"kind": "claim"}}), "starts no machine for a claim"),
        (nodes(sharing={"L40S": {"kind": "mig", "profile": "1g.5gb"}}), "no machine here divides into parts"),
        (nodes(sharing={"H100": {"kind": "mig", "profile": "4g.40gb"}}), "parts of which `H100` has two or more"),
        (nodes(sharing={"H100": {"kind": "mig", "profile": "1g.10gb"}}), "without its KV cache"),
        (nodes(image="amazon_linux_2023"), "does not divide GPUs at its start"),
        (
            nodes(sharing={"L40S": {"kind": "time_slices", "replicas": 2, "renamed": True}}),
            "wait for `nvidia.com/gpu` of a machine that never offers it",
        ),
        (nodes(sharing={"L40S": {"kind": "time_slices", "replicas": 4}}), "whoever shares a GPU shares its memory"),
        (lambda it: it["models"]["chat"].update(machine={"memory_gibibytes": 30}), "on `g6e.2xlarge`, which has 64"),
        (
            lambda it: it["models"]["chat"].update(accelerator={"type": "L40S", "count": 2}),
            "2 × L40S, which are shared",
        ),
        (
            lambda it: it["models"]["chat"].update(
                objective={"requests_per_second": 1, "input_tokens": 100, "output_tokens": 100}
            ),
            "where 3 replicas share one `L40S`",
        ),
        (nodes(kind="auto_mode"), "write `kind: managed`, or remove `sharing`"),
    ],
)
def test_what_cannot_be_is_refused(change: Any, said: str) -> None:
    with pytest.raises(Refused) as refused:
        shared_plan(change)
    assert said in str(refused.value)

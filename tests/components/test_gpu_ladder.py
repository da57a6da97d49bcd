"""GPUs that take the place of others: which nodes a pod may run on, which of them it is to be on, and what is told."""

from __future__ import annotations

from typing import Any

from infra.components.cluster_handle import ClusterHandle
from infra.components.model_server import ModelServer
from infra.plan.serving import ServingPlan
from tests.components.engines import IMAGE, KEY, authority, objects, planned, recorded

LABEL = "nvidia.com/gpu.product"
PRODUCTS = {"L40S": "NVIDIA-L40S", "A100-80GB": "NVIDIA-A100", "H100": "NVIDIA-H100", "H200": "NVIDIA-H200"}


def make(serving: ServingPlan, cluster: ClusterHandle) -> None:
    ModelServer("chat", serving.engines["chat"], cluster, key=KEY, authority=authority(), image=IMAGE)


def pod(**gpu: Any) -> dict[str, Any]:
    found = objects(recorded(planned(platform={"gpu": {"products": PRODUCTS, **gpu}}), make))
    return found["Deployment/engine-chat"]["spec"]["template"]["spec"]


def wanted(value: str, weight: int) -> dict[str, Any]:
    return {
        "weight": weight,
        "preference": {"matchExpressions": [{"key": LABEL, "operator": "In", "values": [value]}]},
    }


def test_those_before_are_wanted_more() -> None:
    found = pod(instead={"L40S": ["A100-80GB", "H100", "H200"]})
    assert "nodeSelector" not in found
    every = ["NVIDIA-L40S", "NVIDIA-A100", "NVIDIA-H100", "NVIDIA-H200"]
    assert found["affinity"] == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": LABEL, "operator": "In", "values": every}]}]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                wanted("NVIDIA-L40S", 100),
                wanted("NVIDIA-A100", 66),
                wanted("NVIDIA-H100", 33),
            ],
        }
    }


def test_without_others_there_is_one() -> None:
    for found in (pod(), pod(instead={"L40S": []}), pod(instead={"H100": ["H200"]})):
        assert "affinity" not in found
        assert found["nodeSelector"] == {LABEL: "NVIDIA-L40S"}


def test_the_plan_says_what_is_tried_and_what_its_figures_are_of() -> None:
    plan = planned(platform={"gpu": {"products": PRODUCTS, "instead": {"L40S": ["A100-80GB", "H100"]}}})
    assert plan.sites["here"].summary["nodes"] == "l40s-1 (when none is free: A100-80GB, then H100)"
    assert [warning for warning in plan.warnings if "L40S" in warning] == [
        "accelerator `L40S`: figures are its own, and `A100-80GB`, `H100` may be in its place",
        "accelerator `L40S`: `A100-80GB` is of an older generation, and number formats that it lacks are slower there "
        "or refused by an engine",
    ]

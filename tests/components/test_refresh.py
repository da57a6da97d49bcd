"""A refresh of a cluster as registered: when it looks for data, what it reads, what is tried again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from serving.making.config import MakingConfig, Taught
from tests.manifests import objects, recorded
from tests.on_a_cluster import FILE, Deployment, of_kind
from tests.one_model import one_model

IMAGE = f"registry.example.com/team/tuning@sha256:{'5' * 64}"
NAME = "making-chat-refresh"


def declared(raw: Deployment) -> None:
    one_model(raw)
    raw["models"]["chat"]["refresh"] = {
        "kind": "lora_job",
        "image": IMAGE,
        "data_claim": "answers",
        "schedule": "0 2 * * *",
        "version": "answers",
        "evaluation": "facts",
        "at_least_right_percent": 80,
        "differential_privacy": {"epsilon": 8, "delta": 0.00001},
    }


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    return objects(recorded(FILE, declared))


@pytest.fixture(scope="module")
def job(found: list[dict[str, Any]]) -> dict[str, Any]:
    return of_kind(found, "CronJob")[NAME]["spec"]


@pytest.fixture(scope="module")
def tool(job: dict[str, Any]) -> dict[str, Any]:
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    return next(one for one in pod["initContainers"] if one["name"] == "tool")


def test_it_looks_for_data_by_itself(job: dict[str, Any]) -> None:
    assert (job["schedule"], job["suspend"], job["concurrencyPolicy"]) == ("0 2 * * *", False, "Forbid")


def test_a_machine_that_is_taken_away_costs_no_retry_and_a_verdict_is_final(job: dict[str, Any]) -> None:
    spec = job["jobTemplate"]["spec"]
    assert spec["backoffLimit"] == 3
    taken, unusable, judged = spec["podFailurePolicy"]["rules"]
    assert taken == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert (unusable["onExitCodes"]["containerName"], unusable["onExitCodes"]["values"]) == ("tool", [2])
    assert (judged["onExitCodes"]["containerName"], judged["onExitCodes"]["values"]) == ("making", [1, 2])


def test_the_tool_reads_the_data_and_keeps_checkpoints_on_a_volume_that_stays(
    tool: dict[str, Any], job: dict[str, Any], found: list[dict[str, Any]]
) -> None:
    assert tool["image"] == IMAGE
    assert tool["command"][3:] == [
        "/etc/slipway/tool/tuning.json",
        "--base",
        "/weights/chat",
        "--result",
        "/models/chat/.answers.unfinished",
        "--of-data",
    ]
    mounts = {mount["mountPath"]: mount for mount in tool["volumeMounts"]}
    assert mounts["/data"]["readOnly"] is True
    volumes = {one["name"]: one for one in job["jobTemplate"]["spec"]["template"]["spec"]["volumes"]}
    assert volumes[mounts["/data"]["name"]]["persistentVolumeClaim"] == {"claimName": "answers", "readOnly": True}
    told = json.loads(of_kind(found, "ConfigMap")[NAME]["data"]["tuning.json"])
    assert told["data"] == "/data"
    assert told["checkpoints"].startswith("/models/")
    assert "persistentVolumeClaim" in volumes[mounts["/models"]["name"]]
    assert told["privacy"] == {"epsilon": 8, "delta": 1e-5, "max_gradient_norm": 1}


def test_the_judge_understands_what_it_is_told(found: list[dict[str, Any]]) -> None:
    config = msgspec.json.decode(of_kind(found, "ConfigMap")[NAME]["data"]["making.json"], type=MakingConfig)
    assert isinstance(config.make, Taught)
    assert config.at_least_right_percent == 80
    assert str(config.unfinished) == "/models/chat/.answers.unfinished"

"""Makings of a cluster as registered: a tool, an engine and a judge, one after the other, when somebody starts one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.serving import ServingPlan
from infra.policy.rule import broken
from infra.policy.rules import RULES
from serving.making.config import Made, MakingConfig, Reached
from tests.harness import Recorder
from tests.manifests import ROOT, objects, recorded
from tests.on_a_cluster import FILE, Deployment, of_kind, platform, resources
from tests.one_model import one_model

IMAGE = f"registry.example.com/team/llm-compressor@sha256:{'5' * 64}"
NAME = "making-chat-optimisation"


def declared(raw: Deployment) -> None:
    one_model(raw)
    raw["models"]["chat"]["optimisation"] = {
        "kind": "llm_compressor",
        "scheme": "gptq",
        "image": IMAGE,
        "texts": ["What is the capital of France?", "Summarise this letter."],
        "version": "w4a16",
        "evaluation": "facts",
        "at_most_loss_percent": 2,
    }


@pytest.fixture(scope="module")
def seen() -> Recorder:
    return recorded(FILE, declared)


@pytest.fixture(scope="module")
def found(seen: Recorder) -> list[dict[str, Any]]:
    return objects(seen)


@pytest.fixture(scope="module")
def job(found: list[dict[str, Any]]) -> dict[str, Any]:
    return of_kind(found, "CronJob")[NAME]["spec"]


@pytest.fixture(scope="module")
def pod(job: dict[str, Any]) -> dict[str, Any]:
    return job["jobTemplate"]["spec"]["template"]["spec"]


def containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in [*pod["initContainers"], *pod["containers"]]}


def mounts(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def test_it_sleeps_until_somebody_starts_it(job: dict[str, Any]) -> None:
    assert job["suspend"] is True
    assert job["concurrencyPolicy"] == "Forbid"
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    # Fetching, making and measuring.
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] >= 14_400


def test_the_tool_then_the_engine_then_the_judge(pod: dict[str, Any]) -> None:
    names = [one["name"] for one in pod["initContainers"]]
    assert names[-2:] == ["tool", "engine"]
    # Only the engine is there while ours asks it.
    assert [one.get("restartPolicy") for one in pod["initContainers"]][-2:] == [None, "Always"]
    assert [one["name"] for one in pod["containers"]] == ["making"]


def test_the_tool_reads_the_weights_and_writes_versions_alone(pod: dict[str, Any]) -> None:
    tool = containers(pod)["tool"]
    assert tool["image"] == IMAGE
    result = "/models/chat/.w4a16.unfinished"
    assert tool["command"] == ["python3", "/etc/slipway/tool/compress.py", "/weights/chat", result]
    assert mounts(tool)["/weights"]["readOnly"] is True
    assert "readOnly" not in mounts(tool)["/models"]
    assert {one["name"]: one["value"] for one in tool["env"]}["HF_HUB_OFFLINE"] == "1"
    assert not any("key" in mount["name"] or "secret" in path for path, mount in mounts(tool).items())


def test_the_engine_serves_the_result_to_its_own_pod(pod: dict[str, Any], found: list[dict[str, Any]]) -> None:
    engine = containers(pod)["engine"]
    assert "/models/chat/.w4a16.unfinished" in engine["args"]
    assert "/weights/chat" not in engine["args"]
    assert engine["args"][engine["args"].index("--host") + 1] == "127.0.0.1"
    assert mounts(engine)["/models"]["readOnly"] is True
    served = of_kind(found, "Deployment")["engine-chat"]["spec"]["template"]["spec"]
    (serving,) = (one for one in served["containers"] if one["name"] == "engine")
    assert engine["image"] == serving["image"]
    gpus = {name: count for name, count in serving["resources"]["limits"].items() if "gpu" in name}
    assert gpus
    for name in ("tool", "engine"):
        assert containers(pod)[name]["resources"]["limits"].items() >= gpus.items()
    assert pod["nodeSelector"] == served["nodeSelector"]


def test_where_replicas_have_a_bucket_it_fetches_from_the_hub() -> None:
    raw = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]["slipway:deployment"]
    case = {"capital": {"prompt": "What is the capital of France?", "contains": ["Paris"]}}
    raw["models"]["chat"]["evaluations"] = {
        "facts": {"kind": "prompts", "cases": case, "client": next(iter(raw["clients"]))}
    }
    declared(raw)
    plan = build_plan(validate(raw, "prod", {}), "prod").sites["main"].details.serving
    assert isinstance(plan, ServingPlan)
    (making,) = plan.makings
    serving = plan.engines["chat"].weights_volume
    assert [json.loads(text)["kind"] for text in serving.fetches] == ["s3"]
    assert [json.loads(text)["kind"] for text in making.weights.fetches] == ["huggingface"]


def test_nobody_in_it_may_do_more_than_it_needs(pod: dict[str, Any], found: list[dict[str, Any]]) -> None:
    account = of_kind(found, "ServiceAccount")[pod["serviceAccountName"]]
    assert pod["serviceAccountName"] == "making"
    assert not account["metadata"].get("annotations")
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    for one in containers(pod).values():
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_it_breaks_no_rule(found: list[dict[str, Any]]) -> None:
    assert [line for rule in RULES for line in broken(rule, resources(found))] == []


def test_the_tool_has_room_for_all_weights(pod: dict[str, Any]) -> None:
    tool, engine = (
        int(containers(pod)[name]["resources"]["limits"]["memory"].removesuffix("Gi")) for name in ("tool", "engine")
    )
    assert tool >= engine + 16


def test_the_judge_understands_what_it_is_told(pod: dict[str, Any], found: list[dict[str, Any]]) -> None:
    told = of_kind(found, "ConfigMap")[NAME]["data"]
    config = msgspec.json.decode(told["making.json"], type=MakingConfig)
    assert config.make == Made()
    assert isinstance(config.served, Reached)
    assert config.served.original.url == "http://gateway"
    assert config.served.result.url == "http://127.0.0.1:8000"
    assert str(config.unfinished) == "/models/chat/.w4a16.unfinished"
    assert config.at_most_loss_percent == 2
    card = json.loads(told["making.json"])["card"]
    assert card["parent"]["source"] == "Qwen/Qwen3-8B"
    assert card["license"] == "Apache-2.0"
    assert card["made_by"]["parameters"]["scheme"] == "W4A16"
    judge = containers(pod)["making"]
    assert judge["args"][0] == "/etc/slipway/making/making.json"
    assert judge["args"][2] == judge["terminationMessagePath"]
    assert str(Path(str(config.served.original.key_file)).parent) in mounts(judge)
    assert "readOnly" not in mounts(judge)["/models"]


def test_the_tools_files_are_what_its_recipe_says(pod: dict[str, Any], found: list[dict[str, Any]]) -> None:
    told = of_kind(found, "ConfigMap")[NAME]["data"]
    compile(told["compress.py"], "compress.py", "exec")
    modifiers = json.loads(told["recipe.json"])["quant_stage"]["quant_modifiers"]
    assert modifiers == {"GPTQModifier": {"targets": ["Linear"], "scheme": "W4A16", "ignore": ["lm_head"]}}
    assert len(json.loads(told["texts.json"])["texts"]) == 2
    (volume,) = (one for one in pod["volumes"] if one["name"] == "tool")
    files = [item["key"] for item in volume["configMap"]["items"]]
    assert files == ["asked.py", "compress.py", "recipe.json", "texts.json"]


def test_versions_have_a_volume_that_no_deployment_waits_for(found: list[dict[str, Any]]) -> None:
    volume = of_kind(found, "PersistentVolumeClaim")["versions-chat"]
    assert volume["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    claim = volume["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"]
    # Three of what one set of weights takes (16 GB, some GiB of margin).
    assert int(claim["resources"]["requests"]["storage"].removesuffix("Gi")) >= 3 * 16


def test_it_may_reach_the_gateways_and_nobody_else(found: list[dict[str, Any]]) -> None:
    policy = of_kind(found, "NetworkPolicy")["allow-making"]["spec"]
    assert [rule["ports"][0]["port"] for rule in policy["egress"]] == [8080, 53]
    assert policy["egress"][0]["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "gateway"}}}]
    assert not policy.get("ingress")


def test_there_is_room_for_its_gpus(found: list[dict[str, Any]]) -> None:
    hard = of_kind(found, "ResourceQuota")["site"]["spec"]["hard"]
    without = of_kind(objects(recorded(FILE, one_model)), "ResourceQuota")["site"]["spec"]["hard"]
    assert int(hard["requests.nvidia.com/gpu"]) == int(without["requests.nvidia.com/gpu"]) + 1
    assert int(hard["pods"]) == int(without["pods"]) + 1


def test_where_others_keep_keys_nobody_could_ask() -> None:
    def kept_elsewhere(raw: Deployment) -> None:
        declared(raw)
        platform(raw)["client_keys_from"] = {"kind": "secret", "name": "keys-of-clients"}

    assert NAME not in of_kind(objects(recorded(FILE, kept_elsewhere)), "CronJob")


def test_its_component_is_closed(seen: Recorder) -> None:
    (component,) = seen.of_type("slipway:serving:Makings")
    assert component.urn in seen.closed

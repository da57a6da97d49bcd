"""Trials that tools run, as registered: the tool alone has the key, ours judges what it has left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.trials.config import LmEvaluationHarness, read
from tests.harness import Recorder
from tests.manifests import objects, recorded
from tests.on_a_cluster import FILE, Deployment, of_kind
from tests.one_model import one_model

HARNESS = f"registry.example.com/lm-eval@sha256:{'5' * 64}"
GUIDELLM = f"registry.example.com/guidellm@sha256:{'6' * 64}"


def _tools(raw: Deployment) -> None:
    one_model(raw)
    chat = raw["models"]["chat"]
    chat["evaluations"] = {
        "school": {
            "kind": "lm_evaluation_harness",
            "client": "web",
            "image": HARNESS,
            "downloads": True,
            "tasks": {"gsm8k": {"exact_match": 0.6}},
            "question_count": 50,
            "at_most_minutes": 30,
        }
    }
    chat["load_test"] = {
        "kind": "guidellm",
        "client": "web",
        "image": GUIDELLM,
        "tokenizer": "/tokenizer",
        "seconds": 90,
        "requests_per_second": 2,
    }


@pytest.fixture(scope="module")
def seen() -> Recorder:
    return recorded(FILE, _tools)


@pytest.fixture(scope="module")
def jobs(seen: Recorder) -> dict[str, Any]:
    found = of_kind(objects(seen), "CronJob")
    return {name: job["spec"]["jobTemplate"]["spec"] for name, job in found.items()}


def test_the_tool_asks_and_then_ours_judges(seen: Recorder, jobs: dict[str, Any], tmp_path: Path) -> None:
    spec = jobs["trial-chat-school"]["template"]["spec"]
    (tool,), (judge,) = spec["initContainers"], spec["containers"]
    assert (tool["name"], tool["image"]) == ("lm-evaluation-harness", HARNESS)
    words = tool["command"]
    assert words[:2] == ["lm_eval", "run"]
    assert words[words.index("--tasks") + 1] == "gsm8k"
    assert words[words.index("--limit") + 1] == "50"
    assert "base_url=http://gateway/v1/chat/completions" in words[words.index("--model_args") + 1].split(",")
    told = of_kind(objects(seen), "ConfigMap")["trial-chat-school"]["data"]["trial.json"]
    (tmp_path / "trial.json").write_text(told)
    config = read(tmp_path / "trial.json")
    assert config.trial == LmEvaluationHarness(tasks={"gsm8k": {"exact_match": 0.6}})
    assert config.results
    assert words[words.index("--output_path") + 1].startswith(f"{config.results}/")
    mounts = [{one["mountPath"]: one for one in each["volumeMounts"]} for each in (tool, judge)]
    assert {mount[config.results]["name"] for mount in mounts} == {"results"}
    assert mounts[1][config.results]["readOnly"] is True
    assert judge["args"][2] == judge["terminationMessagePath"]


def test_the_key_is_in_the_tools_environment_and_nowhere_else(jobs: dict[str, Any]) -> None:
    for name, variable in (
        ("trial-chat-school", "OPENAI_API_KEY"),
        ("trial-chat-load", "GUIDELLM__SPEC__BACKEND__API_KEY"),
    ):
        spec = jobs[name]["template"]["spec"]
        environment = {one["name"]: one for one in spec["initContainers"][0]["env"]}
        assert environment[variable]["valueFrom"]["secretKeyRef"] == {"name": "trial-keys", "key": "web"}
        assert "env" not in spec["containers"][0]
        assert not [volume for volume in spec["volumes"] if "secret" in volume]
        assert variable not in json.dumps(spec["initContainers"][0]["command"])


def test_it_is_as_careful_as_any_pod(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        spec = job["template"]["spec"]
        (tool,) = spec["initContainers"]
        assert tool["securityContext"]["readOnlyRootFilesystem"] is True
        assert tool["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert tool["resources"]["requests"]["memory"] == tool["resources"]["limits"]["memory"]
        assert all("sizeLimit" in volume["emptyDir"] for volume in spec["volumes"] if "emptyDir" in volume)


def test_only_what_downloads_reaches_the_internet(jobs: dict[str, Any]) -> None:
    label = "slipway/fetches-weights"
    school, load = jobs["trial-chat-school"]["template"], jobs["trial-chat-load"]["template"]
    assert school["metadata"]["labels"][label] == "true"
    assert label not in load["metadata"]["labels"]
    offline = {one["name"]: one.get("value") for one in load["spec"]["initContainers"][0]["env"]}
    assert offline["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in {one["name"] for one in school["spec"]["initContainers"][0]["env"]}


def test_guidellm_puts_the_objectives_load(jobs: dict[str, Any]) -> None:
    job = jobs["trial-chat-load"]
    words = job["template"]["spec"]["initContainers"][0]["command"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options["--profile"] == "kind=poisson,rate=2.0"
    assert options["--constraint"] == "kind=max_duration,seconds=90"
    assert options["--data"].startswith("kind=synthetic_text,prompt_tokens=")
    assert "target=http://gateway" in options["--backend"].split(",")
    assert job["activeDeadlineSeconds"] >= 90 + 600
    assert jobs["trial-chat-school"]["activeDeadlineSeconds"] >= 30 * 60

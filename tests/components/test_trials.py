"""Trials of a cluster as registered: jobs that ask as one client, at their hours or when somebody starts one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.trials.config import Prompts, read
from tests.manifests import objects, plain, recorded
from tests.on_a_cluster import FILE, Deployment, manifests, of_kind, registrations
from tests.one_model import one_model


def jobs(variant: str = "as_it_ships") -> dict[str, dict[str, Any]]:
    found = of_kind(manifests(variant), "CronJob")
    return {name: job for name, job in found.items() if name.startswith("trial-")}


def pod(job: dict[str, Any]) -> Any:
    return job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_one_for_each_trial_at_its_hour_or_asleep() -> None:
    found = {name: (job["spec"]["suspend"], job["spec"]["schedule"]) for name, job in jobs().items()}
    assert found == {"trial-chat-facts": (False, "0 3 * * *"), "trial-chat-load": (True, "0 0 1 1 *")}
    for job in jobs().values():
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0


def test_it_is_told_what_the_plan_says_and_understands_it(tmp_path: Path) -> None:
    told = of_kind(manifests("as_it_ships"), "ConfigMap")["trial-chat-facts"]["data"]["trial.json"]
    (tmp_path / "trial.json").write_text(told)
    config = read(tmp_path / "trial.json")
    assert isinstance(config.trial, Prompts)
    assert (config.url, config.model) == ("http://gateway", "chat")
    assert config.about == {
        "stack": "onprem",
        "trial": "chat/facts",
        "engine": "vllm",
        "engine_version": "0.33.0",
        "ran_on": "1 x L40S",
        "version": "b968826d9c46",
    }
    container, mounts = pod(jobs()["trial-chat-facts"])["containers"][0], {}
    for mount in container["volumeMounts"]:
        mounts[mount["mountPath"]] = mount["name"]
    assert container["args"][0] == "/etc/slipway/trial/trial.json"
    assert {"/etc/slipway/trial", str(Path(config.key_file).parent)} <= mounts.keys()
    assert container["args"][2] == container["terminationMessagePath"]


def test_a_load_has_time_to_end() -> None:
    limits = {name: job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] for name, job in jobs().items()}
    # 300 s of load, an answer of 120 s, and a node and an image.
    assert limits["trial-chat-load"] >= 300 + 120 + 600


def test_only_the_key_of_who_asks_is_in_the_cluster() -> None:
    def two(raw: Deployment) -> None:
        raw["clients"]["tester"] = {"models": ["chat"]}
        raw["models"]["chat"]["load_test"]["client"] = "tester"
        raw["clients"]["nobody"] = {"models": ["chat"]}

    seen = recorded(FILE, two)
    (secret,) = (one for one in seen.seen if one.inputs.get("metadata", {}).get("name") == "trial-keys")
    assert set(plain(secret.inputs["stringData"])) == {"tester", "web"}
    found = of_kind(objects(seen), "CronJob")
    found = {name: job for name, job in found.items() if name.startswith("trial-")}
    asking = {name: pod(job)["volumes"][1]["secret"]["items"] for name, job in found.items()}
    assert asking == {
        "trial-chat-facts": [{"key": "web", "path": "web"}],
        "trial-chat-load": [{"key": "tester", "path": "tester"}],
    }


@pytest.mark.parametrize("variant", ["ingress_and_zones", "inside_only"])
def test_where_others_keep_keys_nobody_could_ask(variant: str) -> None:
    assert not jobs(variant)
    assert "trial" not in of_kind(manifests(variant), "ServiceAccount")
    assert "allow-trial" not in of_kind(manifests(variant), "NetworkPolicy")


def test_it_may_reach_the_gateways_and_nobody_else() -> None:
    policies = of_kind(manifests("as_it_ships"), "NetworkPolicy")
    outgoing = policies["allow-trial"]["spec"]["egress"]
    assert [rule["ports"][0]["port"] for rule in outgoing] == [8080, 53]
    assert outgoing[0]["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "gateway"}}}]
    assert not policies["allow-trial"]["spec"].get("ingress")


def test_without_trials_there_is_nothing_of_them() -> None:
    def none(raw: Deployment) -> None:
        one_model(raw)
        del raw["models"]["chat"]["load_test"], raw["models"]["chat"]["evaluations"]

    found = objects(recorded(FILE, none))
    assert "trial" not in json.dumps(found)


def test_its_component_is_closed() -> None:
    seen = registrations("as_it_ships")
    (component,) = seen.of_type("slipway:serving:Trials")
    assert component.urn in seen.closed

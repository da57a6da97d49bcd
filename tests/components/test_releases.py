"""Releases of a cluster as registered: a judge that may change one object, and an object that no deployment writes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from serving.release.__main__ import main, read_rules
from serving.release.questions import Questioning
from tests.harness import Recorder
from tests.manifests import objects, recorded
from tests.on_a_cluster import FILE, Deployment, manifests, of_kind, platform, several_models
from tests.one_model import one_model


def releasing(deployment: Deployment) -> None:
    """The model that ships, and beside it one that is to serve instead."""
    several_models(deployment)
    chat = deployment["models"]["chat"]
    deployment["models"]["next"] = {**chat, "evaluations": {}, "load_test": None, "release": None}
    chat["release"] = {
        "kind": "canary",
        "candidate": "next",
        "abort_on": {"time_to_first_token_p95_seconds": 1},
    }


@cache
def seen() -> Recorder:
    return recorded(FILE, releasing)


@cache
def found() -> list[dict[str, Any]]:
    return objects(seen())


def judge() -> Any:
    return of_kind(found(), "Deployment")["release"]["spec"]["template"]["spec"]


def test_what_is_in_the_object_is_not_the_stacks() -> None:
    assert "data" not in of_kind(found(), "ConfigMap")["gateway-released"]
    (made,) = (one for one in seen().seen if one.inputs.get("metadata", {}).get("name") == "gateway-released")
    assert made.ignore_changes == ("data",)


def test_gateways_follow_it_and_need_not_have_it() -> None:
    pod = of_kind(found(), "Deployment")["gateway"]["spec"]["template"]["spec"]
    (container,) = (one for one in pod["containers"] if one["name"] == "gateway")
    at = container["args"].index("--released")
    folder, _, file = container["args"][at + 1].rpartition("/")
    assert file == "released.json"
    (mount,) = (one for one in container["volumeMounts"] if one["mountPath"] == folder)
    (volume,) = (one for one in pod["volumes"] if one["name"] == mount["name"])
    assert volume["configMap"] == {"name": "gateway-released", "optional": True}
    # A mounted file of its own (subPath) would never change.
    assert "subPath" not in mount


def test_the_judge_may_read_and_change_that_one_object() -> None:
    (role,) = (one for name, one in of_kind(found(), "Role").items() if name == "release")
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["gateway-released"],
            "verbs": ["get", "patch"],
        }
    ]
    binding = of_kind(found(), "RoleBinding")["release"]
    assert [subject["name"] for subject in binding["subjects"]] == ["release"] == [judge()["serviceAccountName"]]
    assert judge()["automountServiceAccountToken"] is False


def test_it_is_told_what_the_gateways_are_and_understands_it(tmp_path: Path) -> None:
    (container,) = judge()["containers"]
    folder, _, file = container["args"][container["args"].index("--rules") + 1].rpartition("/")
    (mount,) = (one for one in container["volumeMounts"] if one["mountPath"] == folder)
    (volume,) = (one for one in judge()["volumes"] if one["name"] == mount["name"])
    told = of_kind(found(), "ConfigMap")[volume["configMap"]["name"]]["data"][file]
    (tmp_path / "gateway.json").write_text(told)
    release = read_rules(tmp_path / "gateway.json")["chat"]
    assert release.rules.steps == (1, 10, 50, 100)
    assert release.rules.first_token_seconds == 1
    assert release.name.startswith("next@")
    assert container["args"][container["args"].index("--config-map") + 1] == "gateway-released"
    # The name of all gateways: each has an address of its own.
    address = container["args"][container["args"].index("--gateways") + 1]
    name, _, port = address.removeprefix("http://").partition(":")
    service = of_kind(found(), "Service")[name]["spec"]
    assert service["clusterIP"] == "None"
    assert [str(one["port"]) for one in service["ports"]] == [port]
    assert main.__module__ == container["command"][-1] + ".__main__"


def test_it_reaches_operations_of_gateways_and_the_api_alone() -> None:
    policies = of_kind(found(), "NetworkPolicy")
    outgoing = policies["allow-release"]["spec"]["egress"]
    assert outgoing[0]["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "gateway"}}}]
    assert outgoing[0]["ports"] == [{"protocol": "TCP", "port": 9090}]
    assert len(outgoing) == 3
    # Whoever scrapes reaches its metrics, and nobody else anything.
    (incoming,) = policies["allow-release"]["spec"]["ingress"]
    assert incoming["ports"] == [{"protocol": "TCP", "port": 9090}]
    assert incoming["from"] == policies["allow-gateway"]["spec"]["ingress"][1]["from"]
    mine = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "release"}}}
    rules = [rule for rule in policies["allow-gateway"]["spec"]["ingress"] if mine in rule["from"]]
    assert [[port["port"] for port in rule["ports"]] for rule in rules] == [[9090]]


def test_its_metrics_are_scraped_as_those_of_gateways(tmp_path: Path) -> None:
    def watched(deployment: Deployment) -> None:
        releasing(deployment)
        platform(deployment)["prometheus"] = True

    made = objects(recorded(FILE, watched))
    monitor, gateway = (of_kind(made, "PodMonitor")[name]["spec"] for name in ("release", "gateway"))
    assert monitor["podMetricsEndpoints"] == gateway["podMetricsEndpoints"]
    template = of_kind(made, "Deployment")["release"]["spec"]["template"]
    assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (container,) = template["spec"]["containers"]
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [("operations", 9090)]
    assert container["args"][container["args"].index("--operations") + 1] == "0.0.0.0:9090"
    policy = of_kind(made, "NetworkPolicy")["allow-release"]["spec"]
    assert [rule["from"] for rule in policy["ingress"]] == [
        [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    ]
    boards = of_kind(made, "ConfigMap")["slipway-dashboards"]["data"]
    shown = json.loads(boards["slipway-release.json"])
    assert [panel["title"] for panel in shown["panels"]][:4] == [
        *("Share of the candidate", "Step", "Failed answers", "Time to first token, p95")
    ]
    (mark,) = shown["annotations"]["list"]
    assert "slipway_release_phase" in mark["expr"]
    (rules,) = of_kind(made, "PrometheusRule").values()
    named = {rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"]}
    assert "SlipwayReleaseRolledBack" in named


def test_its_component_is_closed_and_it_fits_into_the_quota() -> None:
    (component,) = seen().of_type("slipway:serving:Releases")
    assert component.urn in seen().closed

    def pods(of: list[dict[str, Any]]) -> int:
        return int(of_kind(of, "ResourceQuota")["site"]["spec"]["hard"]["pods"])

    def waiting(deployment: Deployment) -> None:
        releasing(deployment)
        deployment["models"]["chat"]["release"] = None

    # The judge, and one more while it is replaced.
    assert pods(found()) == pods(objects(recorded(FILE, waiting))) + 2


def test_without_a_release_there_is_nothing_of_it() -> None:
    text = json.dumps(manifests("several_models"))
    assert "gateway-released" not in text
    assert "--released" not in text


def asking(deployment: Deployment) -> None:
    """Keys that the stack makes: one client of two asks."""
    one_model(deployment)
    chat = deployment["models"]["chat"]
    client = {**deployment["clients"]["web"], "models": ["chat", "next"]}
    deployment["clients"] = {**deployment["clients"], "tester": client}
    facts = {**chat["evaluations"]["facts"], "client": "tester"}
    deployment["models"]["next"] = {**chat, "evaluations": {"facts": facts}, "load_test": None}
    chat["evaluations"] = {}
    chat["load_test"] = None
    chat["release"] = {"kind": "canary", "candidate": "next", "abort_on": {"evaluation": "facts"}}


def test_the_judge_has_the_questions_and_the_key_of_who_asks_alone(tmp_path: Path) -> None:
    made = objects(recorded(FILE, asking))
    pod = of_kind(made, "Deployment")["release"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    places = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    folder, _, file = container["args"][container["args"].index("--questions") + 1].rpartition("/")
    told = of_kind(made, "ConfigMap")[volumes[places[folder]["name"]]["configMap"]["name"]]["data"][file]
    (tmp_path / "questions.json").write_text(told)
    rules = tmp_path / "gateway.json"
    rules.write_text(of_kind(made, "ConfigMap")["gateway"]["data"]["gateway.json"])
    releases = read_rules(rules)
    questioning = Questioning(tmp_path / "questions.json", 1)
    config, trial = questioning.told("chat", releases["chat"].rules)
    assert (config.model, list(trial.cases)) == ("next", list(json.loads(told)["chat"]["trial"]["cases"]))
    folder, _, client = config.key_file.rpartition("/")
    assert client == "tester"
    assert places[folder]["readOnly"] is True
    secret = volumes[places[folder]["name"]]["secret"]
    assert secret["defaultMode"] == 0o440
    assert list(of_kind(made, "Secret")[secret["secretName"]]["stringData"]) == ["tester"]
    # As any client: through the service, at the gateways' public port.
    assert config.url.removeprefix("http://") in of_kind(made, "Service")
    mine = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "release"}}}
    policies = of_kind(made, "NetworkPolicy")
    rules_in = [rule for rule in policies["allow-gateway"]["spec"]["ingress"] if mine in rule["from"]]
    assert sorted(port["port"] for rule in rules_in for port in rule["ports"]) == [8080, 9090]
    out = [port["port"] for rule in policies["allow-release"]["spec"]["egress"] for port in rule["ports"]]
    assert 8080 in out


def test_without_an_evaluation_it_has_no_key_and_no_way_to_ask() -> None:
    (container,) = judge()["containers"]
    assert "--questions" not in container["args"]
    assert "release-keys" not in of_kind(found(), "Secret")
    assert "release-questions" not in of_kind(found(), "ConfigMap")


@pytest.mark.parametrize("ours", [True, False])
def test_where_others_keep_keys_it_is_said_that_nobody_could_ask(ours: bool) -> None:
    document = yaml.safe_load(FILE.read_text())
    deployment = document["config"]["slipway:deployment"]
    asking(deployment)
    if not ours:
        kept = {"kind": "csi", "provider": "vault", "parameters": {"roleName": "llm"}}
        platform(deployment)["client_keys_from"] = kept
    plan = build_plan(validate(deployment, "onprem", {}), "onprem")
    (site,) = plan.sites.values()
    said = [one.found for one in site.details.missing if "release" in one.where]
    assert [("whose clients' keys the stack does not know" in one) for one in said] == ([] if ours else [True])

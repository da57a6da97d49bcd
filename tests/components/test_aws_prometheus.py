"""Amazon Managed Service for Prometheus of a site: who asks which pods, what lets it in, and whom alerts call."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.problems import Refused
from tests.computed import security_group
from tests.on_aws import WORKSPACE, deployment, inputs, only, platform, registrations

SCRAPER, RULES = "aws:amp/scraper:Scraper", "aws:amp/ruleGroupNamespace:RuleGroupNamespace"
NEW, CALLS = "aws:amp/workspace:Workspace", "aws:amp/alertManagerDefinition:AlertManagerDefinition"
TOPIC = "arn:aws:sns:us-east-1:123456789012:operations"
PREFIX = "__meta_kubernetes_pod_"


def jobs(variant: str) -> list[dict[str, Any]]:
    return yaml.safe_load(only(registrations(variant), SCRAPER)["scrapeConfiguration"])["scrape_configs"]


def targets(variant: str) -> list[dict[str, str]]:
    """What the collector finds by itself: every named port of every pod."""
    return [
        {
            f"{PREFIX}label_app_kubernetes_io_component": labels["app.kubernetes.io/component"],
            f"{PREFIX}label_app_kubernetes_io_name": labels["app.kubernetes.io/name"],
            f"{PREFIX}container_port_name": port["name"],
            f"{PREFIX}phase": "Running",
        }
        for one in inputs(registrations(variant), "kubernetes:apps/v1:Deployment").values()
        for labels in [one["spec"]["template"]["metadata"]["labels"]]
        for container in one["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports", ())
    ]


def kept(job: dict[str, Any], target: dict[str, str]) -> bool:
    for rule in job["relabel_configs"]:
        found = ";".join(target[label] for label in rule["source_labels"]) if "action" in rule else ""
        if rule.get("action") == "keep" and not re.fullmatch(rule["regex"], found):
            return False
        if rule.get("action") == "drop" and re.fullmatch(rule["regex"], found):
            return False
    return True


@pytest.mark.parametrize("variant", ["no_way_out", "existing_network"])
def test_each_job_asks_one_port_of_one_workload(variant: str) -> None:
    every = targets(variant)
    found = {job["job_name"]: [target for target in every if kept(job, target)] for job in jobs(variant)}
    ports = {name: [target[f"{PREFIX}container_port_name"] for target in asked] for name, asked in found.items()}
    assert ports.pop("slipway/gateway") == ["operations"]
    assert ports
    for name, asked in ports.items():
        assert len(asked) == 1, name
        (target,) = found[name]
        assert name == f"slipway/{target[f'{PREFIX}label_app_kubernetes_io_name']}"
    assert not any(kept(job, target | {f"{PREFIX}phase": "Failed"}) for job in jobs(variant) for target in every)


def test_it_is_within_the_network_and_pods_let_it_in() -> None:
    seen = registrations("no_way_out")
    source = only(seen, SCRAPER)["source"]["eks"]
    assert source["clusterArn"].endswith(":cluster/slipway-prod-main")
    assert source["subnetIds"] == [f"main-network-private-{zone}-id" for zone in "abd"]
    assert source["securityGroupIds"] == [security_group(seen)]
    private = {one["cidrBlock"] for name, one in inputs(seen, "aws:ec2/subnet:Subnet").items() if "private" in name}
    assert len(private) == 3
    assert admitted("no_way_out") == {(cidr, port) for cidr in private for port in (9090, 9092)}
    ranges = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"}
    assert {cidr for cidr, _ in admitted("existing_network")} <= ranges
    assert not admitted("as_it_ships")


def admitted(variant: str) -> set[tuple[str, int]]:
    """Addresses from which ports with metrics are reached."""
    return {
        (peer["ipBlock"]["cidr"], port["port"])
        for policy in inputs(registrations(variant), "kubernetes:networking.k8s.io/v1:NetworkPolicy").values()
        for rule in policy["spec"].get("ingress", ())
        for peer in rule.get("from", ())
        for port in rule.get("ports", ())
        if "ipBlock" in peer and port["port"] in (9090, 9092)
    }


def test_a_new_workspace_is_encrypted_and_calls_the_topic() -> None:
    seen = registrations("no_way_out")
    assert only(seen, NEW)["kmsKeyArn"].endswith("/main-keys-data")
    assert only(seen, SCRAPER)["destination"]["amp"]["workspaceArn"].endswith("/main-metrics-workspace")
    calls = yaml.safe_load(yaml.safe_load(only(seen, CALLS)["definition"])["alertmanager_config"])
    (receiver,) = calls["receivers"]
    assert receiver["name"] == calls["route"]["receiver"]
    (topic,) = receiver["sns_configs"]
    assert (topic["topic_arn"], topic["sigv4"]) == (TOPIC, {"region": "us-east-1"})


def test_a_workspace_that_exists_gets_rules_and_is_left_as_it_is() -> None:
    seen = registrations("existing_network")
    assert only(seen, SCRAPER)["destination"]["amp"]["workspaceArn"] == WORKSPACE
    assert only(seen, RULES)["workspaceId"] == WORKSPACE.rpartition("/")[2]
    assert not [*seen.of_type(NEW), *seen.of_type(CALLS)]


def test_rules_are_those_whose_metrics_are_collected() -> None:
    groups = yaml.safe_load(only(registrations("no_way_out"), RULES)["data"])["groups"]
    assert [group["name"] for group in groups] == ["slipway", "slipway-chat"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert {"SlipwayNoReplica", "SlipwayErrors", "SlipwayCertificateEnds"} <= {*rules}
    assert not {"SlipwayGpuFault", "SlipwayFrontDoorCertificateEnds"} & {*rules}
    assert all('namespace="slipway"' in rule["expr"] for rule in rules.values())


def test_nobody_asks_where_it_is_not_wanted() -> None:
    assert not [one for one in registrations().seen if one.type.startswith("aws:amp/")]


def planned(workspace: dict[str, str] | None) -> Any:
    content = deployment()
    platform(content)["prometheus_workspace"] = workspace
    return build_plan(validate(content, "prod", {}), "prod")


def test_the_collector_is_in_the_price_and_in_the_summary() -> None:
    plan = planned({"kind": "new"})
    (line,) = [line for line in plan.price.lines if line.item == "prometheus_collector"]
    assert (line.site, line.dollars_per_month.min) == ("main", pytest.approx(0.04 * 730))
    assert "in a workspace of the site" in plan.sites["main"].summary["metrics"]
    assert "metrics" not in plan.sites["west"].summary
    assert "prometheus_collector" not in {line.item for line in planned(None).price.lines}


def test_a_workspace_of_another_region_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        planned({"kind": "existing", "arn": WORKSPACE.replace("us-east-1", "eu-west-1")})
    assert "a workspace in `eu-west-1`, of a site in `us-east-1`" in str(refused.value.problems)

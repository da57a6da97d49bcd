"""Profiles: what each refuses, what it turns on, and that nothing changes where nobody asked for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.catalog.covered_services import covered_services
from infra.governance.checks import SIX_YEARS_DAYS
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.problems import Refused

CORPUS = Path(__file__).parent.parent / "config"


def deployment(name: str) -> dict[str, Any]:
    return yaml.safe_load((CORPUS / f"{name}.happy.yaml").read_text())["config"]["slipway:deployment"]


def planned(found: dict[str, Any]) -> DeploymentPlan:
    return build_plan(validate(found, "stack", {}), "stack")


def refused(found: dict[str, Any]) -> str:
    try:
        planned(found)
    except Refused as problems:
        return str(problems)
    return ""


def audit_of(plan: DeploymentPlan) -> dict[str, Any]:
    return next(iter(plan.sites.values())).details.gateway_config["audit"]


def test_a_profile_is_in_the_plan_and_turns_on_what_nobody_said() -> None:
    found = deployment("governance")
    plan = planned(found)
    assert plan.sites["main"].security["governance"].startswith("hipaa: ")
    assert audit_of(plan)["sync"] == "every_row"
    found["governance"] = {"profile": "none"}
    without = planned(found)
    assert "governance" not in without.sites["main"].security
    assert audit_of(without)["sync"] == "batched"


def test_whoever_else_gets_data_needs_an_agreement() -> None:
    found = deployment("governance-gdpr")
    found["governance"]["agreements"] = {}
    assert "nothing for `logs.example.com` (`gateway.audit.otlp_logs`)" in refused(found)
    found["remote_models"] = {
        "large": {
            "upstreams": {"other": {"kind": "openai", "url": "https://api.example.com", "boundary": "cloud"}},
            "context_tokens": 4096,
        }
    }
    found["gateway"]["privacy"] = {"recogniser": {"url": "https://names.example.com/find", "kinds": ["person"]}}
    found["gateway"]["traces"] = {"url": "http://127.0.0.1:4318/v1/traces"}
    said = refused(found)
    assert "nothing for `api.example.com` (upstream `other` of model `large`)" in said
    assert "nothing for `names.example.com`" in said
    assert "nothing for `127.0.0.1`" not in said, "this machine is nobody else"
    found["governance"]["agreements"] = dict.fromkeys(
        ("logs.example.com", "api.example.com", "names.example.com"), "of 2026-01-01"
    )
    assert not refused(found)


def test_a_service_that_no_list_has_is_refused() -> None:
    found = deployment("governance")
    del found["governance"]["agreements"]["aws:amp"]
    assert "`aws:amp`, of which nobody said that an agreement covers them" in refused(found)
    found["sites"]["main"]["platform"]["prometheus_workspace"] = None
    assert not refused(found)
    assert all(row.as_of and row.source for row in covered_services().values())


def test_a_place_that_nobody_named_is_refused() -> None:
    found = deployment("governance")
    found["governance"]["regions"] = ["us-east-2"]
    assert "one of `governance.regions`: `us-east-2`" in refused(found)


@pytest.mark.parametrize("place", ["bucket", "store", "rows"])
def test_what_hipaa_has_recorded_stays_for_six_years(place: str) -> None:
    found = deployment("governance")
    short = SIX_YEARS_DAYS - 1
    if place == "bucket":
        found["sites"]["main"]["platform"]["audit_bucket"]["days"] = short
    elif place == "rows":
        found["gateway"]["audit"] = {"retention_days": short}
    else:
        store = {"kind": "s3", "url": "https://audit.example.com/rows", "region": "us-east-1"}
        found["gateway"]["audit"] = {"object_store": store | {"object_lock": {"mode": "compliance", "days": short}}}
        found["governance"]["agreements"]["audit.example.com"] = "of 2026-01-01"
    assert f"{short} days" in refused(found)


def test_no_audit_is_no_way_to_comply() -> None:
    found = deployment("governance-gdpr")
    found["gateway"]["audit"] = None
    assert "allowed  an audit" in refused(found)


def test_a_cloud_of_which_no_list_is_kept_asks_for_each_service() -> None:
    stack = yaml.safe_load((Path(__file__).parents[2] / "Pulumi.staging.yaml").read_text())
    found = stack["config"]["slipway:deployment"]
    found["governance"] = {"profile": "hipaa"}
    assert "`gcp:artifactregistry`" in refused(found)

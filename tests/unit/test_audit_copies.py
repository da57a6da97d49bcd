"""Many sites put copies of their audit into one bucket: each under its own name, and all others share what they are."""

from __future__ import annotations

from typing import Any

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.stack_file import read_stack_file
from tests.manifests import ROOT
from tests.unit.documents import deployment_of


def planned(prefix: str) -> DeploymentPlan:
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.edge.yaml").values)
    store = {
        "kind": "s3",
        "url": "https://objects.example.com/audit",
        "region": "auto",
        "prefix": prefix,
        "access_key": {"secret": "audit_access"},
        "secret_key": {"secret": "audit_secret"},
    }
    deployment["gateway"]["audit"] = {"object_store": store, "folder_bytes": 2**30}
    return build_plan(validate(deployment, "case", {}), "case")


def stores(plan: DeploymentPlan) -> dict[str, Any]:
    details: dict[str, Any] = {name: site.details for name, site in plan.sites.items()}
    return {name: found.gateway_config["audit"]["object_store"] for name, found in details.items()}


def test_each_site_has_its_own_place_in_the_bucket() -> None:
    found = stores(planned("edge/{site}/"))
    assert {name: store["prefix"] for name, store in found.items()} == {
        name: f"edge/{name}/" for name in ("datacentre", "store-hamburg", "store-munich", "store-vienna")
    }
    store = found["store-hamburg"]
    assert (store["access_key_file"], store["secret_key_file"]) == ("{secrets}/audit_access", "{secrets}/audit_secret")


def test_sites_that_ask_for_no_name_of_their_own_share_the_configuration() -> None:
    found = stores(planned("edge/"))
    assert {store["prefix"] for store in found.values()} == {"edge/"}
    assert found["store-hamburg"] is found["store-munich"]

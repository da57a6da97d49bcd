"""What a small site's gateway is told of the central one: a model that its box lacks, or has and is full or down."""

from __future__ import annotations

from typing import Any

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.stack_file import read_stack_file
from tests.manifests import ROOT
from tests.unit.documents import deployment_of


def edge(**fallback: Any) -> dict[str, Any]:
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.edge.yaml").values)
    deployment["topology"]["fallback"] |= fallback
    return deployment


def planned(deployment: dict[str, Any]) -> DeploymentPlan:
    return build_plan(validate(deployment, "case", {}), "case")


def gateway(plan: DeploymentPlan, site: str) -> Any:
    return plan.sites[site].details.gateway_config


CENTRE = {
    "url": "https://llm.example.com",
    "kind": "slipway",
    "boundary": "on-prem",
    "key_file": "/etc/slipway/central.key",
}


def test_a_full_box_hands_on_and_one_that_lacks_a_model_asks_the_centre_alone() -> None:
    models = gateway(planned(edge(wait_seconds=2.5)), "store-hamburg")["models"]
    assert list(models) == ["small", "small@central", "chat"]
    assert models["small"]["upstreams"] == [{"url": "{engine}", "key_file": "{key_file}", "concurrent_requests": 4}]
    assert (models["small"]["fallbacks"], models["small"]["queue"]) == (["small@central"], {"seconds": 2.5})
    assert models["small@central"]["upstreams"] == [{**CENTRE, "model": "small"}]
    assert models["chat"]["upstreams"] == [{**CENTRE, "model": "chat"}]
    # A box whose uplink is away is ready all the same.
    assert models["small@central"]["hold"] == models["chat"]["hold"] == {"seconds": 2.5}


def test_the_centre_falls_back_to_nobody_and_without_a_way_nobody_does() -> None:
    plan = planned(edge())
    assert "on-prem" not in str(gateway(plan, "store-hamburg")["models"]["small"])
    assert list(gateway(plan, "datacentre")["models"]) == ["small", "chat"]
    deployment = edge()
    del deployment["topology"]["fallback"]
    plan = planned(deployment)
    assert plan.links == ()
    assert list(gateway(plan, "store-hamburg")["models"]) == ["small"]


def test_data_goes_only_where_its_class_may() -> None:
    deployment = edge()
    deployment["gateway"]["data_classes"]["till_only"] = ["stores", "vienna"]
    deployment["clients"]["till"]["data_class"] = "till_only"
    plan = planned(deployment)
    assert gateway(plan, "store-hamburg")["data_classes"] == {"sales": ["stores", "on-prem"], "till_only": ["stores"]}
    assert {link.clients for link in plan.links} == {("stores",)}


def test_the_wait_is_in_every_drain_and_plain_http_is_said() -> None:
    before, after = planned(edge(wait_seconds=1.0)), planned(edge(wait_seconds=21.0))
    grew = after.models["small"].drain.gateway_grace_seconds - before.models["small"].drain.gateway_grace_seconds
    assert grew == 40
    assert not [warning for warning in before.weakenings if "plain HTTP" in warning]
    said = planned(edge(url="http://llm.example.com")).weakenings
    assert [warning for warning in said if warning.startswith("the central site is asked over plain HTTP")]

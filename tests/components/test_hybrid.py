"""Hybrid, as it ships: each site in a stack of its own or both in one; the key of the way between them is a secret."""

from __future__ import annotations

import json
from functools import cache, partial
from typing import Any

import pytest
import yaml

from infra.program import deploy as program
from tests.harness import Recorder, deploy
from tests.manifests import ROOT, objects, recorded

FILE = ROOT / "Pulumi.hybrid.yaml"
STORE = {"limits_store": "redis://canary-store:6379"}
SITES = {"datacentre": "slipway:kubernetes:Site", "cloud": "slipway:gcp:Site"}


@cache
def first() -> Recorder:
    return recorded(FILE)


@cache
def stack_of(site: str | None) -> Recorder:
    """The same deployment, deployed by a stack for one of its sites, or for both."""
    deployment = yaml.safe_load(FILE.read_text())["config"]["slipway:deployment"]
    # Who is overflowed to shows nobody that key.
    secrets = STORE if site == "cloud" else {**STORE, "next_site": "canary-next_site"}
    config = {"slipway:deployment": deployment, "slipway:gateway_secrets": secrets}
    config |= {"slipway:site": site} if site else {}
    return deploy(partial(program, ask=False), stack="hybrid", config=config)


def gateway_file(found: list[dict[str, Any]]) -> Any:
    (content,) = [one["data"]["gateway.json"] for one in found if "gateway.json" in one.get("data", {})]
    return json.loads(content)


@pytest.mark.parametrize("site", [*SITES, None])
def test_a_stack_deploys_its_site_or_both(site: str | None) -> None:
    made = {one.type for one in stack_of(site).seen}
    assert {kind for kind in SITES.values() if kind in made} == ({SITES[site]} if site else {*SITES.values()})


def test_what_ships_is_the_first_site_and_nothing_of_the_cloud() -> None:
    made = {one.type for one in first().seen}
    assert SITES["datacentre"] in made
    assert not [kind for kind in made if kind.startswith("gcp:")]


def test_its_gateways_know_the_way_and_have_the_key_as_a_secret() -> None:
    found = objects(first())
    content = gateway_file(found)
    (there,) = content["models"]["chat@next"]["upstreams"]
    assert (there["url"], there["boundary"]) == ("https://overflow.llm.example.com", "gcp-eu")
    assert content["models"]["chat"]["overflow"]["model"] == "chat@next"
    assert content["overflow_dollars_per_day"] == 50
    assert "canary-next_site" not in json.dumps(found)
    folder, _, name = there["key_file"].rpartition("/")
    (secret,) = [one for one in found if one["kind"] == "Secret" and name in one.get("stringData", {})]
    (gateway,) = [one for one in found if one["kind"] == "Deployment" and one["metadata"]["name"] == "gateway"]
    pod = gateway["spec"]["template"]["spec"]
    mounted = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    (volume,) = [volume for volume in pod["volumes"] if secret["metadata"]["name"] in json.dumps(volume)]
    assert folder.startswith(mounted[volume["name"]])


def test_its_gateways_may_connect_to_the_cloud() -> None:
    (policy,) = [
        one["spec"]
        for one in objects(first())
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "allow-gateway"
    ]
    outside = [rule for rule in policy["egress"] if any("ipBlock" in to for to in rule["to"])]
    assert any(port.get("port") in (None, 443) for rule in outside for port in rule["ports"])

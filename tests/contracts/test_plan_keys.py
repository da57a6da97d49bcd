"""Keys of a plan's JSON that other programs read: in every stack that ships, each is there and of its type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.load import load_file
from infra.plan.build import build_plan
from infra.report import to_json

ROOT = Path(__file__).resolve().parents[2]
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
NUMBER = (int, float)
# `?` at the end: null where nothing of the kind is there, which the tests below say when. `*` is every name, `[]` every
# item of a list.
KEYS: dict[str, type | tuple[type, ...]] = {
    "stack": str,
    "topology": str,
    "warnings": list,
    "warnings[]": str,
    "sites.*.platform": str,
    "sites.*.node_pools": list,
    "sites.*.node_pools[].name": str,
    "sites.*.node_pools[].shape": str,
    "sites.*.node_pools[].min_nodes": int,
    "sites.*.node_pools[].max_nodes": int,
    "models.*.engine": str,
    "models.*.engine_arguments": list,
    "models.*.engine_arguments[]": str,
    "models.*.accelerator?": dict,
    "models.*.accelerator?.type": str,
    "models.*.accelerator?.count": int,
    "models.*.replicas.min": int,
    "models.*.replicas.max": int,
    "models.*.memory?": dict,
    "models.*.memory?.weights_gib": NUMBER,
    "models.*.memory?.kv_cache_gib": NUMBER,
    "models.*.memory?.free_gib": NUMBER,
    "models.*.performance?": dict,
    "models.*.performance?.requests_per_second": NUMBER,
    "models.*.performance?.time_per_output_token_ms": NUMBER,
    "models.*.performance?.estimator": str,
    "models.*.performance?.error_band": str,
    "models.*.drain.engine_shutdown_seconds": int,
    "models.*.drain.pod_grace_seconds?": int,
    "models.*.drain.gateway_grace_seconds": int,
    "models.*.drain.load_balancer_deregistration_seconds?": int,
    "models.*.drain.node_grace_seconds?": int,
    "models.*.cold_start.total_seconds": NUMBER,
    "models.*.cold_start.phases": list,
    "models.*.cold_start.phases[].name": str,
    "models.*.cold_start.phases[].seconds": NUMBER,
    "models.*.cold_start.phases[].why": str,
    "models.*.cold_start.phases[].source": str,
    "models.*.price?": dict,
    "models.*.price?.dollars_per_million_output_tokens": NUMBER,
    "models.*.price?.dollars_per_million_input_tokens": NUMBER,
    "models.*.price?.dollars_per_million_output_tokens_at_stated_load?": NUMBER,
    "models.*.price?.dollars_per_million_input_tokens_at_stated_load?": NUMBER,
    "price?": dict,
    "price?.dollars_per_hour_now": NUMBER,
    "price?.dollars_per_hour.min": NUMBER,
    "price?.dollars_per_hour.max": NUMBER,
    "price?.dollars_per_month.min": NUMBER,
    "price?.dollars_per_month.max": NUMBER,
    "price?.as_of": str,
    "price?.rollouts": list,
    "price?.rollouts[].site": str,
    "price?.rollouts[].model": str,
    "price?.rollouts[].gpus": int,
    "price?.rollouts[].dollars_per_hour?": NUMBER,
    "price?.rollouts[].minutes?.min": NUMBER,
    "price?.rollouts[].minutes?.max": NUMBER,
    "price?.rollouts[].dollars?.min": NUMBER,
    "price?.rollouts[].dollars?.max": NUMBER,
}


def planned(stack: str) -> Any:
    return json.loads(to_json(build_plan(load_file(ROOT / f"Pulumi.{stack}.yaml"), stack)))


def values(data: Any, path: str) -> Iterator[Any]:
    """Whatever is at a path of `KEYS`; a missing key is an error, and what is below null is not there."""
    if not path:
        yield data
        return
    step, _, rest = path.partition(".")
    if step == "*":
        for inner in data.values():
            yield from values(inner, rest)
        return
    name = step.removesuffix("[]").removesuffix("?")
    inner = data[name]
    if step.endswith("[]"):
        for item in inner:
            yield from values(item, rest)
    elif inner is not None or not step.endswith("?"):
        yield from values(inner, rest)


@pytest.mark.parametrize("stack", STACKS)
def test_every_key_is_there_and_of_its_type(stack: str) -> None:
    data = planned(stack)
    for path, kind in KEYS.items():
        for value in values(data, path):
            assert isinstance(value, kind), path
            assert not isinstance(value, bool), path


@pytest.mark.parametrize("stack", STACKS)
def test_a_key_is_null_only_where_there_is_nothing_to_say(stack: str) -> None:
    data = planned(stack)
    clouds = {"aws", "gcp", "cloud_run"}
    for model in data["models"].values():
        platforms = {data["sites"][site]["platform"] for site in model["sites"]}
        # Speed and memory are known of GPUs.
        assert (model["memory"] is None) == (model["performance"] is None) == (model["accelerator"] is None)
        for layer in ("pod_grace_seconds", "load_balancer_deregistration_seconds", "node_grace_seconds"):
            assert (model["drain"][layer] is None) == (platforms == {"local"}), "one process group has no such layer"
        assert (model["price"] is None) == (model["performance"] is None or not platforms & clouds)
    everywhere = {site["platform"] for site in data["sites"].values()}
    assert (data["price"] is None) == (not everywhere & clouds), "own machines have no price"


@pytest.mark.parametrize("stack", STACKS)
def test_each_layer_ends_after_the_one_inside_it(stack: str) -> None:
    data = planned(stack)
    for model in data["models"].values():
        drain = model["drain"]
        assert drain["engine_shutdown_seconds"] < drain["gateway_grace_seconds"]
        if drain["pod_grace_seconds"] is None:
            continue
        assert drain["engine_shutdown_seconds"] < drain["pod_grace_seconds"] <= drain["gateway_grace_seconds"]
        assert drain["gateway_grace_seconds"] <= drain["load_balancer_deregistration_seconds"]
        assert drain["gateway_grace_seconds"] <= drain["node_grace_seconds"]
        # The longest of its sites.
        own = [found for site in model["sites"] if (found := data["sites"][site]["drain"])]
        for layer in ("gateway_grace_seconds", "load_balancer_deregistration_seconds", "node_grace_seconds"):
            assert drain[layer] == max(site[layer] for site in own)


@pytest.mark.parametrize("stack", STACKS)
def test_node_pools_are_those_that_the_platform_makes(stack: str) -> None:
    for site in planned(stack)["sites"].values():
        assert {pool["name"] for pool in site["node_pools"]} == set(site["details"].get("pools", {}))
        assert bool(site["node_pools"]) == (site["platform"] in {"aws", "gcp"})

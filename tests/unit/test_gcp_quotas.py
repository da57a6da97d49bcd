"""Quotas that a site at Google must be allowed, by the plan: hand-counted, each by its own name there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.quota_types import QuotaNeed
from infra.platforms.cloud_run.instances import CARDS as CLOUD_RUN_CARDS
from infra.platforms.cloud_run.quotas import GPUS
from infra.platforms.gcp.machines import CARDS
from infra.platforms.gcp.quotas import processors, quota_of
from infra.platforms.gcp.shapes import SHAPES
from infra.report.quotas import quotas as section
from infra.stack_file import read_stack_file
from tests.manifests import ROOT

Deployment = dict[str, Any]


def as_it_ships(deployment: Deployment) -> None:
    del deployment


def plan(stack: str, change: Callable[[Deployment], None] = as_it_ships) -> Any:
    deployment: Deployment = read_stack_file(ROOT / f"Pulumi.{stack}.yaml").values["config"]["slipway:deployment"]
    change(deployment)
    return build_plan(validate(deployment, stack, {}), stack)


def needs(stack: str, change: Callable[[Deployment], None] = as_it_ships) -> dict[str, QuotaNeed]:
    found = {need.code or need.name: need for need in plan(stack, change).sites["main"].details.quotas}
    assert len(found) == len(plan(stack, change).sites["main"].details.quotas)
    return found


def test_a_cluster_needs_its_most_replicas_and_one_machine_that_takes_anothers_place() -> None:
    found = needs("staging")
    pools = {pool.name: pool for pool in plan("staging").sites["main"].node_pools}
    # An L4 for each of up to three replicas, and one while they are exchanged.
    assert pools["l4-1"].max_nodes == 3
    assert found["NVIDIA-L4-GPUS-per-project-region"].needed == 4
    assert found["GPUS-ALL-REGIONS-per-project"].needed == 4
    gateways = pools["gateway"].max_nodes + 1
    for code in ("N2-CPUS-per-project-region", "CPUS-ALL-REGIONS-per-project"):
        assert found[code].needed == 4 * gateways, "n2-standard-4; machines of L4 count their GPUs alone"
    assert found["NETWORKS-per-project"].needed == found["STATIC-ADDRESSES-per-project"].needed == 1
    assert len(found) == 6
    assert found["NVIDIA-L4-GPUS-per-project-region"].of == ("4 × g2-standard-8",)


def test_ways_to_buy_have_quotas_of_their_own_and_what_is_reserved_none() -> None:
    def bought(deployment: Deployment) -> None:
        deployment["sites"]["main"]["platform"]["nodes"] = {
            "purchase": ["reservation", "flex_start", "on_demand"],
            "reservation": "gpus",
        }

    found = needs("staging", bought)
    for code in ("NVIDIA-L4-GPUS-per-project-region", "PREEMPTIBLE-NVIDIA-L4-GPUS-per-project-region"):
        assert found[code].needed == 4
    assert found["GPUS-ALL-REGIONS-per-project"].needed == 4, "one takes the place of another"
    assert len(found) == 7, "nothing of what is reserved"


def test_large_cards_are_counted_by_family_and_old_ones_with_their_processors() -> None:
    def h100(deployment: Deployment) -> None:
        deployment["models"]["chat"]["accelerator"] = {"type": "H100", "count": 2}

    family = needs("staging", h100)["GPUS-PER-GPU-FAMILY-per-project-region gpu_family=NVIDIA_H100"]
    assert family.needed == 4 * 2
    assert not family.enough_by_default

    def t4(deployment: Deployment) -> None:
        chat = deployment["models"]["chat"]
        chat |= {"accelerator": {"type": "T4"}, "precision": "float16", "context_tokens": 2048}
        chat["source"] |= {"repo": "Qwen/Qwen3-0.6B"}
        del chat["quantization"]

    found = needs("staging", t4)
    assert found["NVIDIA-T4-GPUS-per-project-region"].needed == 4
    assert found["CPUS-per-project-region"].needed == 4 * 8, "n1-standard-8"


def test_a_network_that_exists_needs_none() -> None:
    def existing(deployment: Deployment) -> None:
        names = {"network": "shared", "subnetwork": "nodes", "pods_range": "p", "services_range": "s"}
        deployment["sites"]["main"]["platform"]["network"] = {"existing": names}

    assert "NETWORKS-per-project" not in needs("staging", existing)


def test_machines_of_which_nobody_says_how_much_they_count_are_told() -> None:
    def other(deployment: Deployment) -> None:
        deployment["sites"]["main"]["platform"]["gateway_machine_type"] = "c9-metal-large"

    found = needs("staging", other)
    row = found["c9 vCPUs, on_demand"]
    assert row.code is None
    assert row.uncounted
    assert not row.enough_by_default


def test_cloud_run_needs_its_most_instances_and_those_that_run_while_it_changes() -> None:
    def always(deployment: Deployment) -> None:
        deployment["models"]["chat"]["scaling"] = {"min_replicas": 1, "max_replicas": 2}

    for change, most in ((as_it_ships, 2), (always, 3)):
        found = needs("serverless", change)
        assert found["NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion"].needed == most
        # A gateway's and those of an L4.
        assert found["CpuAllocPerProjectRegion"].needed == most * (1 + 4) * 1000
        assert found["MemAllocPerProjectRegion"].needed == most * (1 + 16) * 2**30
        assert found["STATIC-ADDRESSES-per-project"].needed == 1


def test_redundancy_is_another_quota_and_a_large_card_counts_in_thousandths() -> None:
    def large(deployment: Deployment) -> None:
        deployment["models"]["chat"]["accelerator"] = {"type": "RTX-PRO-6000"}
        own = deployment["sites"]["main"]["platform"]
        own["zonal_redundancy"] = True
        del own["domain"], own["dns_zone"]

    found = needs("serverless", large)
    assert found["NvidiaRtxPro6000GpuAllocPerProjectRegion"].needed == 2000
    assert "STATIC-ADDRESSES-per-project" not in found


@pytest.mark.parametrize("purchase", ["on_demand", "spot", "flex_start"])
def test_every_card_that_can_be_planned_has_its_quota(purchase: str) -> None:
    assert {*SHAPES} == {*CARDS}
    assert all(quota_of(card, purchase) for card in CARDS)


def test_every_card_of_cloud_run_has_its_quota() -> None:
    assert {*GPUS} == {card.name for card in CLOUD_RUN_CARDS.values()}


@pytest.mark.parametrize(
    ("machine", "count"), [("n2-standard-4", 4), ("g2-standard-24", 24), ("e2-medium", None), ("a2-highgpu-1g", 12)]
)
def test_processors_are_those_of_the_catalogue_or_of_the_name(machine: str, count: int | None) -> None:
    assert processors(machine) == count


def test_the_plan_says_what_to_ask_for_and_what_nobody_knows() -> None:
    made = section(plan("staging"))
    assert made
    rows = {row[2]: row[-2:] for row in made.tables[0].rows}
    gpus, networks = "NVIDIA-L4-GPUS-per-project-region", "NETWORKS-per-project"
    assert rows[f"compute.googleapis.com {gpus}"] == ("0", "ask for it")
    assert rows[f"compute.googleapis.com {networks}"] == ("nobody here knows", "look: `make doctor`")

"""Sites and what is between them: ranges that do not overlap, who may go where, and what cannot be deployed."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.deployable import refuse_undeployable
from infra.plan.node_pools import nearest_accelerator
from infra.plan.types import Accelerator, DeploymentPlan
from infra.plan.weakenings import counting_warnings
from infra.platforms import PLATFORMS
from infra.problems import Refused
from infra.stack_file import read_stack_file
from tests.config.corpus import load_and_plan
from tests.one_model import one_model
from tests.unit.documents import CORPUS, deployment_of, examples

ROOT = Path(__file__).resolve().parents[2]


def document(name: str) -> Any:
    path = ROOT / f"Pulumi.{name}.yaml" if (ROOT / f"Pulumi.{name}.yaml").exists() else CORPUS / f"{name}.happy.yaml"
    found = deployment_of(read_stack_file(path).values)
    if name == "onprem":
        one_model(found)
    return found


def planned(deployment: Any) -> DeploymentPlan:
    return build_plan(validate(deployment, "case", {}), "case")


def refused(deployment: Any) -> str:
    with pytest.raises(Refused) as found:
        planned(deployment)
    return str(found.value)


@examples(300)
@given(ranges=st.lists(st.tuples(st.integers(0, 63), st.integers(16, 20)), min_size=2, max_size=6))
def test_overlapping_ranges_are_found_exactly_when_there_are_any(ranges: list[tuple[int, int]]) -> None:
    networks = [ipaddress.IPv4Network((0x0A000000 + place * 2**14, bits), strict=False) for place, bits in ranges]
    deployment = document("onprem")
    deployment["topology"] = {"kind": "hybrid", "order": [f"site-{index}" for index in range(len(networks))]}
    (site,) = deployment["sites"].values()
    deployment["sites"] = {
        f"site-{index}": {"platform": {**site["platform"], "network_cidr": str(network)}}
        for index, network in enumerate(networks)
    }
    pairs = [(a, b) for index, a in enumerate(networks) for b in networks[index + 1 :] if a.overlaps(b)]
    if pairs:
        assert "which overlaps" in refused(deployment)
    else:
        planned(deployment)


def test_only_clients_whose_data_may_leave_overflow() -> None:
    plan = load_and_plan(CORPUS / "topology-hybrid.happy.yaml")
    (link,) = plan.links
    assert (link.source, link.target, link.reason) == ("datacentre", "cloud", "overflow")
    assert link.models == ("chat",)
    assert link.clients == ("web",)
    gateways = {name: site.details.gateway_config for name, site in plan.sites.items()}
    assert set(gateways["datacentre"]["clients"]) == {"web", "legal", "own", "own_site"}
    assert set(gateways["cloud"]["clients"]) == {"web", "own_site"}
    # A gateway refuses to know places that it cannot reach.
    classes = {"internal": ["on-prem", "gcp"], "overflow": ["gcp"], "here": ["on-prem"]}
    assert gateways["datacentre"]["data_classes"] == classes
    assert gateways["cloud"]["data_classes"] == {"internal": ["gcp"], "overflow": ["gcp"]}


def test_restricted_data_goes_to_a_standby_at_its_own_boundary_and_to_no_other() -> None:
    deployment = document("prod")
    deployment["clients"]["web"]["data_class"] = "restricted"
    deployment["clients"]["open"] = {"models": ["chat"], "requests_per_minute": 6}
    deployment["gateway"]["data_classes"]["restricted"] = ["aws"]
    (link,) = planned(deployment).links
    assert link.clients == ("web", "open")
    deployment["sites"]["west"]["boundary"] = "far"
    plan = planned(deployment)
    assert plan.links[0].clients == ("open",)
    gateways = {name: site.details.gateway_config for name, site in plan.sites.items()}
    assert gateways["main"]["data_classes"]["restricted"] == ["aws"]
    assert set(gateways["west"]["clients"]) == {"open"}
    assert "restricted" not in gateways["west"].get("data_classes", {})
    # Nor by a way around: the gateway there would refuse its own file.
    mirror = {"kind": "openai", "url": "https://llm.example.net", "boundary": "aws"}
    deployment["models"]["chat"]["upstreams"] = {"mirror": mirror}
    assert planned(deployment).sites["west"].details.gateway_config["data_classes"] == {"internal": ["aws"]}


def warnings(name: str) -> list[str]:
    """Those of a happy file, each to its first full stop or colon."""
    return [warning.split(" (")[0] for warning in of_places(load_and_plan(CORPUS / f"{name}.happy.yaml"))]


def of_places(plan: DeploymentPlan) -> list[str]:
    """All but those about models and prices."""
    of_prices = ("in no sum", "taken away in a month")
    return [
        warning
        for warning in plan.warnings
        if not warning.startswith("model ") and not any(words in warning for words in of_prices)
    ]


def test_what_is_weaker_than_it_could_be_is_said_by_name() -> None:
    site = "site `main`:"
    assert warnings("platform-aws") == [
        f"{site} one wrong command deletes it",
        f"{site} the gateway closes idle connections after 75 s",
        f"{site} its nodes get no patch by themselves",
        f"{site} machines of its capacity block end with it, half an hour early, and engines on them too",
        f"{site} its `controllers` come from their makers' charts, which whoever deploys must reach; policies and "
        "scans see what these are told, not what they make",
        f"{site} whether `us-west-2` has `p5.4xlarge` is in no list here; `make doctor` asks AWS",
    ]
    assert warnings("platform-aws-auto-mode") == [
        f"{site} no web application firewall is in front",
        f"{site} when the zone `us-east-1a` is gone, no node reaches the internet",
        f"{site} the gateway closes idle connections after 75 s",
    ]
    assert warnings("platform-gcp") == [
        f"{site} one wrong command deletes it",
        f"{site} the cluster runs any image",
        f"{site} answers may be cut when a machine of `flex_start` ends after its time",
        f"{site} the gateway closes idle connections after 75 s",
        f"{site} its `controllers` come from their makers' charts, which whoever deploys must reach; policies and "
        "scans see what these are told, not what they make",
    ]
    assert warnings("platform-gcp-new-network") == [f"{site} no firewall for the web is in front"]
    assert warnings("platform-kubernetes-inside") == [
        "site `datacentre`: without KEDA",
    ]
    cut = f"{site} slipway:deployment.models.chat: not guaranteed here:"
    assert [warning for warning in warnings("platform-cloud-run") if warning.startswith(cut)] == [
        f"{cut} pod grace needs 150 s, Cloud Run gives 10 s; a longer answer is cut when an instance ends",
        f"{cut} gateway grace needs 150 s, Cloud Run gives 10 s; a longer answer is cut when an instance ends",
    ]


def test_limits_that_each_gateway_counts_for_itself_are_said() -> None:
    deployment = document("prod")
    # In a cluster they count together all the same.
    assert all("from their makers' charts" in said for said in of_places(planned(deployment)))
    config = validate(deployment, "case", {})
    (warning,) = counting_warnings(config, {"here": 2, "there": 1})
    assert warning.startswith("each gateway of `here` counts for itself")


def test_a_cold_standby_runs_no_engine_and_a_warm_one_as_many_as_the_first() -> None:
    deployment = document("prod")
    cold = planned(deployment).sites
    deployment["topology"]["standby"]["mode"] = "warm"
    warm = planned(deployment).sites
    assert (cold["west"].replicas["chat"].min, warm["west"].replicas["chat"].min) == (0, 3)
    assert (cold["west"].gateways, warm["west"].gateways) == (1, 3)
    assert cold["main"] == warm["main"]
    assert cold["west"].details.pools["l40s-1"].min_nodes == 0


def test_machines_hold_as_many_replicas_as_they_have_cards_for() -> None:
    deployment = document("prod")
    deployment["models"]["chat"]["accelerator"] = {"type": "H200", "count": 2}
    pool = planned(deployment).sites["main"].details.pools["h200-2"]
    # Eight cards in a p5en.48xlarge: four replicas in one, eight in two.
    assert (pool.shape, pool.min_nodes, pool.max_nodes) == ("p5en.48xlarge", 1, 2)


def test_small_sites_share_what_is_planned_for_them() -> None:
    sites = planned(document("edge")).sites
    hamburg, munich, vienna = (sites[f"store-{town}"] for town in ("hamburg", "munich", "vienna"))
    assert hamburg.details.gateway_config is munich.details.gateway_config
    assert hamburg.models == ("small",)
    assert vienna.details.gateway_config["boundary"] == "vienna"


def test_an_engine_gets_the_address_of_the_platform_that_it_is_on() -> None:
    """A model on a small machine and in a cluster: a port that is chosen at start, and a container's own."""
    sites = planned(document("edge")).sites
    small = sites["store-hamburg"].details.specification["engines"]["small"]["arguments"]
    central = sites["datacentre"].details.serving.engines["small"].container.arguments
    assert "{port}" in small
    assert "{port}" not in central
    assert "/weights/small" in central


def test_an_engine_that_needs_its_image_is_refused_on_the_small_site_alone() -> None:
    deployment = document("edge")
    deployment["topology"]["sites"]["store-vienna"]["models"] = ["small", "chat"]
    said = refused(deployment)
    assert said.startswith("1 problem ")
    assert "found    `vllm`, which runs from its container image only, on the site `store-vienna`" in said


def test_cards_of_a_replica_are_asked_for_and_used_together() -> None:
    deployment = document("onprem")
    deployment["models"]["chat"]["accelerator"]["count"] = 2
    details = planned(deployment).sites["datacentre"].details
    nodes = details.nodes["l40s-2"]
    assert nodes.resources == {"nvidia.com/gpu": 2}
    assert nodes.labels == {"nvidia.com/gpu.product": "NVIDIA-L40S"}
    assert nodes.tolerates == "nvidia.com/gpu"
    arguments = details.serving.engines["chat"].container.arguments
    assert arguments[arguments.index("--tensor-parallel-size") + 1] == "2"


def test_a_platform_without_a_component_is_planned_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(PLATFORMS["gcp"]), "component", None)
    with pytest.raises(Refused) as found:
        refuse_undeployable(planned(document("staging")))
    said = str(found.value)
    assert "the platform `gcp`, which can be planned (`make plan STACK=case`) but not deployed by this version" in said
    assert "platforms that it deploys: `local`, `kubernetes`, `aws`, `cloud_run`\n" in said


def test_several_machines_are_not_deployed_as_this_one() -> None:
    plan = planned(document("edge"))
    with pytest.raises(Refused, match="3 sites of the platform `local`, which is always the machine that deploys"):
        refuse_undeployable(plan)


@pytest.mark.parametrize("stack", ["dev", "staging", "serverless"])
def test_what_ships_to_be_deployed_is(stack: str) -> None:
    refuse_undeployable(planned(document(stack)))


@pytest.mark.parametrize(
    ("wanted", "most", "nearest"),
    [
        (Accelerator(type="GB200", count=1), {"H200": 8, "B200": 8}, Accelerator(type="B200", count=1)),
        (
            Accelerator(type="L40S", count=1),
            {"T4": 4, "A100-80GB": 8, "H200": 8},
            Accelerator(type="A100-80GB", count=1),
        ),
        # 4 x 44.42 GiB is more than two of 79 have, and not more than four.
        (Accelerator(type="L40S", count=4), {"A100-80GB": 4, "T4": 4}, Accelerator(type="A100-80GB", count=4)),
        (Accelerator(type="H200", count=8), {"T4": 4, "L4": 8}, Accelerator(type="L4", count=8)),
    ],
)
def test_the_nearest_card_that_there_is(wanted: Accelerator, most: dict[str, int], nearest: Accelerator) -> None:
    assert nearest_accelerator(wanted, most) == nearest

"""A site on Google Cloud behind a peering: this site's half of it, and a door inside."""

from __future__ import annotations

import pytest

from infra.load import load_file
from infra.plan.build import build_plan
from infra.report.links import links
from tests.computed import computed
from tests.config.corpus import FOLDER
from tests.on_gcp import inputs, of_google, only, registrations

PEERING = "gcp:compute/networkPeering:NetworkPeering"


def test_there_is_none_unless_it_is_asked_for() -> None:
    assert PEERING not in {one.type for one in of_google(registrations())}


def test_this_half_takes_and_tells_routes_of_subnets_alone() -> None:
    seen = registrations("peered")
    peering = only(seen, PEERING)
    (network,) = seen.of_type("gcp:compute/network:Network")
    assert network.name in peering["network"]
    assert peering["peerNetwork"] == "projects/example-apps/global/networks/apps"
    for field in ("CustomRoutes", "SubnetRoutesWithPublicIp"):
        assert peering[f"export{field}"] is peering[f"import{field}"] is False


@pytest.mark.parametrize("variant", ["peered", "over_a_vpn"])
def test_either_link_leads_to_a_door_inside(variant: str) -> None:
    seen = registrations(variant)
    gateway = only(seen, "kubernetes:gateway.networking.k8s.io/v1:Gateway")
    assert gateway["spec"]["gatewayClassName"] == "gke-l7-rilb"
    assert not [one.name for one in of_google(seen) if one.type == "gcp:compute/globalAddress:GlobalAddress"]
    door = computed(seen, "gcp:compute/address:Address")["address"]
    records = [one for one in inputs(seen, "gcp:dns/recordSet:RecordSet").values() if one["type"] == "A"]
    assert [one["rrdatas"] for one in records] == [[door]] * 2


def test_the_other_end_is_told_what_it_is_set_up_with() -> None:
    assert registrations("peered").outputs["private_links"]["main"]["address"] == "10.60.128.10"
    tunnels = registrations("over_a_vpn").outputs["private_links"]["main"]
    assert [one["peer_address"] for one in tunnels] == ["203.0.113.10", "203.0.113.11"]
    assert len({one["address"] for one in tunnels}) == 2
    assert "private_links" not in registrations().outputs


def test_the_plan_says_that_no_own_machines_are_reached() -> None:
    plan = build_plan(load_file(FOLDER / "gcp-peering.happy.yaml"), "peering")
    cloud = plan.sites["cloud"]
    assert "It reaches no own machines" in cloud.summary["private link"]
    assert cloud.security["front door"] == "inside of the site's network only, over TLS"
    section = links(plan)
    assert section is not None
    assert "datacentre to cloud: with TLS, over network peering" in section.lines

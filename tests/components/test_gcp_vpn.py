"""A site on Google Cloud behind a private link: both ends of its tunnels, the routes that are told, a door inside."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

from infra.config import GATEWAY_SECRETS_KEY
from infra.load import load_file, validate
from infra.plan.build import build_plan
from infra.report.links import links
from infra.stack_file import read_stack_file
from tests.computed import computed
from tests.config.corpus import FOLDER
from tests.harness import Recorder
from tests.manifests import unmarked
from tests.on_gcp import inputs, of_google, only, registrations

TUNNEL, ROUTER = "gcp:compute/vPNTunnel:VPNTunnel", "gcp:compute/router:Router"
PEER, INTERFACE = "gcp:compute/routerPeer:RouterPeer", "gcp:compute/routerInterface:RouterInterface"
OUTSIDE = ("gcp:compute/globalAddress:GlobalAddress", "gcp:compute/securityPolicy:SecurityPolicy")
HAPPY = FOLDER / "gcp-vpn.happy.yaml"
SECRETS = ("first_tunnel", "second_tunnel")


def seen() -> Recorder:
    return registrations("over_a_vpn")


def policy_of_firewalls() -> list[dict[str, Any]]:
    return [*inputs(seen(), "gcp:compute/firewall:Firewall").values()]


def test_there_is_no_link_unless_it_is_asked_for() -> None:
    kinds = {one.type for one in of_google(registrations())}
    assert not kinds & {TUNNEL, PEER, INTERFACE, "gcp:compute/haVpnGateway:HaVpnGateway"}
    assert not kinds & {"gcp:compute/address:Address", "gcp:compute/regionSslPolicy:RegionSslPolicy"}


def test_each_interface_of_the_gateway_has_a_tunnel_to_a_gateway_of_the_other_end() -> None:
    peer = only(seen(), "gcp:compute/externalVpnGateway:ExternalVpnGateway")
    assert peer["redundancyType"] == "TWO_IPS_REDUNDANCY"
    assert peer["interfaces"] == [{"id": 0, "ipAddress": "203.0.113.10"}, {"id": 1, "ipAddress": "203.0.113.11"}]
    tunnels = [one for _, one in sorted(inputs(seen(), TUNNEL).items())]
    assert [(one["vpnGatewayInterface"], one["peerExternalGatewayInterface"]) for one in tunnels] == [(0, 0), (1, 1)]
    assert len({one["vpnGateway"] for one in tunnels}) == 1
    assert only(seen(), "gcp:compute/haVpnGateway:HaVpnGateway")["region"] == "us-central1"


def test_tunnels_take_ike_2_and_ciphers_that_are_strong() -> None:
    for tunnel in inputs(seen(), TUNNEL).values():
        assert tunnel["ikeVersion"] == 2
        keys, data = tunnel["cipherSuite"]["phase1"], tunnel["cipherSuite"]["phase2"]
        assert keys["encryptions"] == data["encryptions"] == ["AES-CBC-256"]
        assert keys["integrities"] == data["integrities"] == ["HMAC-SHA2-256-128"]
        assert keys["dhs"] == data["pfs"] == ["Group-14"], "new keys do not follow from old ones"
        assert keys["prves"] == ["PRF-HMAC-SHA2-256"]


def test_shared_secrets_are_the_stacks_and_marked_and_no_gateway_has_them() -> None:
    tunnels = seen().of_type(TUNNEL)
    assert all(one.is_secret("sharedSecret") for one in tunnels)
    given = {one.name: json.dumps(one.inputs["sharedSecret"]) for one in tunnels}
    for place, called in enumerate(SECRETS):
        assert f"canary-{called}" in given[f"main-vpn-{place}"]
        assert [name for name, text in given.items() if f"canary-{called}" in text] == [f"main-vpn-{place}"]
    for one in seen().seen:
        assert "_tunnel" not in json.dumps(unmarked(one.inputs)), one.name
        if one.type != TUNNEL:
            assert "canary-first_tunnel" not in json.dumps(one.inputs), one.name


def test_only_the_stack_of_the_site_is_asked_for_them() -> None:
    deployment = read_stack_file(HAPPY).values["config"]["slipway:deployment"]
    plan = build_plan(validate(deployment, "vpn", {}), "vpn")
    here, there = plan.sites["datacentre"].details, plan.sites["cloud"].details
    assert {*SECRETS} <= {*there.secrets_of_stack}
    assert not {*SECRETS} & {*here.secrets_of_stack}
    assert GATEWAY_SECRETS_KEY == "slipway:gateway_secrets"


def test_the_other_end_hears_of_the_front_door_alone() -> None:
    routers = {name: one for name, one in inputs(seen(), ROUTER).items() if "bgp" in one}
    ((name, router),) = routers.items()
    assert name == "main-vpn-router"
    door = computed(seen(), "gcp:compute/address:Address")["address"]
    assert router["bgp"] == {
        "asn": 64_514,
        "advertiseMode": "CUSTOM",
        "advertisedIpRanges": [{"range": f"{door}/32"}],
    }


def test_routes_to_its_ranges_are_taken_and_others_dropped() -> None:
    policy = only(seen(), "gcp:compute/routerRoutePolicy:RouterRoutePolicy")
    assert policy["type"] == "ROUTE_POLICY_TYPE_IMPORT"
    taken, dropped = sorted(policy["terms"], key=lambda one: one["priority"])
    named = "[prefix('10.0.0.0/14').orLonger(), prefix('192.168.7.0/24').orLonger()]"
    assert taken["match"] == {"expression": f"destination.inAnyRange({named})"}
    assert taken["actions"] == [{"expression": "accept()"}]
    assert dropped["match"] == {"expression": "destination.inAnyRange([prefix('0.0.0.0/0').orLonger()])"}
    assert dropped["actions"] == [{"expression": "drop()"}]
    (name,) = {one.name for one in seen().of_type("gcp:compute/routerRoutePolicy:RouterRoutePolicy")}
    assert all(one["importPolicies"] == [name] for one in inputs(seen(), PEER).values())


def test_the_routers_of_a_tunnel_are_in_a_range_of_their_own() -> None:
    interfaces, peers = ([one for _, one in sorted(inputs(seen(), kind).items())] for kind in (INTERFACE, PEER))
    ranges = [ip_network(one["ipRange"], strict=False) for one in interfaces]
    assert len({*ranges}) == 2
    for here, peer, between in zip(interfaces, peers, ranges, strict=True):
        assert between.is_link_local
        there = ip_address(peer["peerIpAddress"])
        assert there in between
        assert here["ipRange"] != f"{there}/{between.prefixlen}"
        assert peer["peerAsn"] == 65_010
        assert peer["interface"] == here["vpnTunnel"], "each is called after its tunnel"


def test_nothing_of_the_site_is_on_the_internet() -> None:
    assert not [one.name for one in of_google(seen()) if one.type in OUTSIDE]
    gateway = only(seen(), "kubernetes:gateway.networking.k8s.io/v1:Gateway")
    assert gateway["spec"]["gatewayClassName"] == "gke-l7-rilb"
    address = only(seen(), "gcp:compute/address:Address")
    assert address["addressType"] == "INTERNAL"
    assert gateway["spec"]["addresses"][0]["type"] == "NamedAddress"
    assert all("allows" not in one for one in policy_of_firewalls())


def test_the_door_ends_tls_with_a_certificate_of_its_region() -> None:
    gateway = only(seen(), "kubernetes:gateway.networking.k8s.io/v1:Gateway")
    https = next(one for one in gateway["spec"]["listeners"] if one["name"] == "https")
    (certificate,) = seen().of_type("gcp:certificatemanager/certificate:Certificate")
    assert https["tls"] == {
        "mode": "Terminate",
        "options": {"networking.gke.io/cert-manager-certs": certificate.name},
    }
    assert "networking.gke.io/certmap" not in gateway["metadata"].get("annotations", {})
    proofs = inputs(seen(), "gcp:certificatemanager/dnsAuthorization:DnsAuthorization").values()
    assert {one["location"] for one in proofs} == {"us-central1"} == {certificate.inputs["location"]}
    tls = only(seen(), "gcp:compute/regionSslPolicy:RegionSslPolicy")
    assert (tls["profile"], tls["minTlsVersion"]) == ("RESTRICTED", "TLS_1_2")


def test_its_names_lead_inside() -> None:
    door = computed(seen(), "gcp:compute/address:Address")["address"]
    records = [one for one in inputs(seen(), "gcp:dns/recordSet:RecordSet").values() if one["type"] == "A"]
    assert [one["rrdatas"] for one in records] == [[door]] * 2
    assert ip_address(door) in ip_network("10.60.0.0/16")


def test_its_proxies_have_a_range_and_reach_the_gateways() -> None:
    (proxies,) = [one for one in inputs(seen(), "gcp:compute/subnetwork:Subnetwork").values() if "purpose" in one]
    assert (proxies["purpose"], proxies["role"]) == ("REGIONAL_MANAGED_PROXY", "ACTIVE")
    policies = inputs(seen(), "kubernetes:networking.k8s.io/v1:NetworkPolicy")
    assert proxies["ipCidrRange"] in json.dumps(policies["main-serving-isolation-gateway"])
    outside = inputs(registrations(), "kubernetes:networking.k8s.io/v1:NetworkPolicy")
    assert proxies["ipCidrRange"] not in json.dumps(outside["main-serving-isolation-gateway"])


def test_the_plan_says_what_leads_there_and_what_it_costs() -> None:
    plan = build_plan(load_file(HAPPY), "vpn")
    section = links(plan)
    assert section is not None
    assert "datacentre to cloud: with TLS, over HA VPN of two tunnels" in section.lines
    cloud = plan.sites["cloud"]
    assert cloud.summary["private link"].startswith("HA VPN to 203.0.113.10 and 203.0.113.11: 2 tunnels, IKEv2")
    assert cloud.security["front door"] == "inside of the site's network only, over TLS"
    assert "STATIC-ADDRESSES-per-project" not in {one.code for one in cloud.details.quotas}
    assert plan.price is not None
    (line,) = [one for one in plan.price.lines if one.what == "VPN tunnels"]
    assert (line.site, line.amount.min, line.amount.max) == ("cloud", 2, 2)
    assert line.source is not None


def test_one_gateway_at_the_other_end_has_both_tunnels() -> None:
    deployment = read_stack_file(HAPPY).values["config"]["slipway:deployment"]
    first, second = deployment["sites"]["cloud"]["platform"]["vpn"]["tunnels"]
    second["peer_address"] = first["peer_address"]
    vpn = build_plan(validate(deployment, "vpn", {}), "vpn").sites["cloud"].details.vpn
    assert vpn.peers == ("203.0.113.10",)
    assert [tunnel.peer for tunnel in vpn.tunnels] == [0, 0]

"""A site on AWS behind a private link: tunnels and peerings, the routes that are taken, and a door inside."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from infra.load import load_file, validate
from infra.plan.build import build_plan
from infra.problems import Refused
from infra.report.links import links
from infra.stack_file import read_stack_file
from tests.config.corpus import FOLDER
from tests.harness import Recorder
from tests.manifests import recorded, unmarked
from tests.on_aws import (
    FILE,
    Deployment,
    inputs,
    of_aws,
    one_site,
    only,
    over_a_vpn,
    plan_of,
    platform,
    registrations,
)

GATEWAY, CUSTOMER = "aws:ec2/vpnGateway:VpnGateway", "aws:ec2/customerGateway:CustomerGateway"
CONNECTION, STATIC = "aws:ec2/vpnConnection:VpnConnection", "aws:ec2/vpnConnectionRoute:VpnConnectionRoute"
PEERING = "aws:ec2/vpcPeeringConnection:VpcPeeringConnection"
ACCEPTER = "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter"
LISTENER, TARGETS = "aws:lb/listener:Listener", "aws:lb/targetGroup:TargetGroup"
OPTIONS = "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions"
ROUTE, INGRESS = "aws:ec2/route:Route", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
LINKED = ("over_a_vpn", "asks_for_a_peering", "accepts_a_peering")
HAPPY = FOLDER / "aws-vpn.happy.yaml"
RANGES = ["10.0.0.0/14", "192.168.7.0/24"]


def seen() -> Recorder:
    return registrations("over_a_vpn")


def by_bgp(deployment: Deployment) -> None:
    over_a_vpn(deployment)
    platform(deployment)["vpn"] |= {"peer_asn": 4_200_000_001, "asn": 64_530}


def same_account(deployment: Deployment) -> None:
    one_site(deployment)
    platform(deployment)["peering"] = {
        "vpc_id": "vpc-0fedcba9876543210",
        "region": "us-east-1",
        "resolves_names": True,
        "peer_ranges": ["10.8.0.0/16"],
    }


def routes(recorder: Recorder, target: str) -> list[dict[str, Any]]:
    return [one for one in inputs(recorder, ROUTE).values() if target in one and one[target] is not None]


def private_tables(recorder: Recorder) -> set[str]:
    """Of subnets that nodes are in; by what their names say, not by what was routed."""
    tables = inputs(recorder, "aws:ec2/routeTable:RouteTable")
    return {f"{name}" for name in tables if "-private-" in name}


def test_there_is_no_link_unless_it_is_asked_for() -> None:
    kinds = {one.type for one in of_aws(registrations())}
    assert not kinds & {GATEWAY, CUSTOMER, CONNECTION, STATIC, PEERING, ACCEPTER, OPTIONS}


def test_each_gateway_of_the_other_end_has_a_connection_of_two_tunnels() -> None:
    gateway = only(seen(), GATEWAY)
    (vpc,) = seen().of_type("aws:ec2/vpc:Vpc")
    assert gateway["amazonSideAsn"] == "64514"
    assert vpc.name in gateway["vpcId"]
    customers = [one for _, one in sorted(inputs(seen(), CUSTOMER).items())]
    assert [one["ipAddress"] for one in customers] == ["203.0.113.10", "203.0.113.11"]
    connections = [one for _, one in sorted(inputs(seen(), CONNECTION).items())]
    assert len(connections) == len({one["customerGatewayId"] for one in connections}) == 2
    assert len({one["vpnGatewayId"] for one in connections}) == 1
    ranges = [ip_network(one[f"tunnel{number}InsideCidr"]) for one in connections for number in (1, 2)]
    assert len({*ranges}) == 4
    assert all(one.is_link_local and one.prefixlen == 30 for one in ranges)


def test_tunnels_take_ike_2_and_ciphers_that_are_strong_and_come_back() -> None:
    for connection in inputs(seen(), CONNECTION).values():
        for tunnel in ("tunnel1", "tunnel2"):
            assert connection[f"{tunnel}IkeVersions"] == ["ikev2"]
            for phase in ("Phase1", "Phase2"):
                assert connection[f"{tunnel}{phase}EncryptionAlgorithms"] == ["AES256"]
                assert connection[f"{tunnel}{phase}IntegrityAlgorithms"] == ["SHA2-256"]
                assert connection[f"{tunnel}{phase}DhGroupNumbers"] == [14]
            assert connection[f"{tunnel}StartupAction"] == "start"
            assert connection[f"{tunnel}DpdTimeoutAction"] == "restart"


def test_shared_secrets_are_the_stacks_and_marked_and_no_gateway_has_them() -> None:
    first, second = sorted(seen().of_type(CONNECTION), key=lambda one: one.name)
    for number, called in ((1, "first_tunnel"), (2, "second_tunnel")):
        field = f"tunnel{number}PresharedKey"
        assert first.is_secret(field)
        assert f"canary-{called}" in json.dumps(first.inputs[field])
        assert field not in second.inputs, "AWS makes it"
    for one in seen().seen:
        assert "canary-" not in json.dumps(unmarked(one.inputs)), one.name
        if one.type != CONNECTION:
            assert "canary-first_tunnel" not in json.dumps(one.inputs), one.name


def test_only_the_stack_of_the_site_is_asked_for_them() -> None:
    deployment = read_stack_file(HAPPY).values["config"]["slipway:deployment"]
    plan = build_plan(validate(deployment, "vpn", {}), "vpn")
    here, there = plan.sites["datacentre"].details, plan.sites["cloud"].details
    assert {"first_tunnel", "second_tunnel"} <= {*there.secrets_of_stack}
    assert not {"first_tunnel", "second_tunnel"} & {*here.secrets_of_stack}


def test_without_bgp_aws_is_given_the_ranges() -> None:
    assert all(one["staticRoutesOnly"] is True for one in inputs(seen(), CONNECTION).values())
    given = inputs(seen(), STATIC).values()
    assert sorted(one["destinationCidrBlock"] for one in given) == sorted(RANGES * 2)
    assert len({one["vpnConnectionId"] for one in given}) == 2


def test_with_bgp_it_learns_where_they_are() -> None:
    told = recorded(FILE, by_bgp)
    assert all(one["staticRoutesOnly"] is False for one in inputs(told, CONNECTION).values())
    assert not told.of_type(STATIC)
    assert only(told, GATEWAY)["amazonSideAsn"] == "64530"
    for customer in inputs(told, CUSTOMER).values():
        assert (customer["bgpAsnExtended"], customer.get("bgpAsn")) == ("4200000001", None)
    assert sorted({one["destinationCidrBlock"] for one in routes(told, "gatewayId")}) == sorted(
        ["0.0.0.0/0", *RANGES]
    ), "and no other range is routed to it, whatever it tells of"


@pytest.mark.parametrize(
    ("variant", "target", "ranges"),
    [
        ("over_a_vpn", "gatewayId", RANGES),
        ("asks_for_a_peering", "vpcPeeringConnectionId", ["10.8.0.0/16"]),
        ("accepts_a_peering", "vpcPeeringConnectionId", ["10.8.0.0/16"]),
    ],
)
def test_nodes_and_the_balancer_have_the_only_routes_there(variant: str, target: str, ranges: list[str]) -> None:
    recorder = registrations(variant)
    found = [one for one in routes(recorder, target) if one["destinationCidrBlock"] != "0.0.0.0/0"]
    tables = private_tables(recorder)
    assert len(tables) == 3
    assert sorted((one["destinationCidrBlock"], one["routeTableId"].removesuffix("-id")) for one in found) == sorted(
        (cidr, table) for cidr in ranges for table in tables
    )
    assert not recorder.of_type("aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation")


@pytest.mark.parametrize("variant", LINKED)
def test_nothing_of_the_site_is_asked_from_the_internet(variant: str) -> None:
    recorder = registrations(variant)
    balancer = only(recorder, "aws:lb/loadBalancer:LoadBalancer")
    assert balancer["internal"] is True
    assert all("-private-" in one for one in balancer["subnets"])
    rules = inputs(recorder, INGRESS)
    ranges = {*(RANGES if variant == "over_a_vpn" else ["10.8.0.0/16"])}
    door = {one["cidrIpv4"] for name, one in rules.items() if "-door-http" in name}
    assert door == ranges
    assert not [name for name, one in rules.items() if one.get("cidrIpv4") == "0.0.0.0/0"]
    private = {one["cidrBlock"] for name, one in inputs(recorder, "aws:ec2/subnet:Subnet").items() if "private" in name}
    policy = inputs(recorder, "kubernetes:networking.k8s.io/v1:NetworkPolicy")["main-serving-isolation-gateway"]
    sources = {one["ipBlock"]["cidr"] for rule in policy["spec"]["ingress"] for one in rule["from"] if "ipBlock" in one}
    assert sources == private, "its load balancer has its addresses there"


@pytest.mark.parametrize("variant", LINKED)
def test_the_door_ends_tls_as_on_the_internet(variant: str) -> None:
    def listeners(recorder: Recorder) -> list[Any]:
        fields = ("port", "protocol", "sslPolicy")
        return sorted([one.get(field) for field in fields] for one in inputs(recorder, LISTENER).values())

    here, outside = registrations(variant), registrations("one_site")
    assert listeners(here) == listeners(outside)
    assert only(here, TARGETS) == only(outside, TARGETS)


def test_a_peering_with_another_account_waits_for_its_owner() -> None:
    peering = only(registrations("asks_for_a_peering"), PEERING)
    assert (peering["peerVpcId"], peering["peerOwnerId"], peering["peerRegion"]) == (
        "vpc-0fedcba9876543210",
        "210987654321",
        "us-west-2",
    )
    assert peering.get("autoAccept") is None
    assert not registrations("asks_for_a_peering").of_type(OPTIONS)


def test_one_with_the_same_account_is_accepted() -> None:
    own = recorded(FILE, same_account)
    peering = only(own, PEERING)
    assert peering["autoAccept"] is True
    assert peering.get("peerRegion") is None, "AWS takes none with it"
    assert only(own, OPTIONS)["requester"] == {"allowRemoteVpcDnsResolution": True}


def test_one_that_was_asked_for_is_accepted() -> None:
    recorder = registrations("accepts_a_peering")
    accepted = only(recorder, ACCEPTER)
    assert (accepted["vpcPeeringConnectionId"], accepted["autoAccept"]) == ("pcx-0123456789abcdef0", True)
    options = only(recorder, OPTIONS)
    assert options["accepter"] == {"allowRemoteVpcDnsResolution": True}
    assert options.get("requester") is None
    assert not recorder.of_type(PEERING)


def test_the_other_end_is_told_what_it_is_set_up_with() -> None:
    told = seen().outputs["private_links"]["main"]
    first, second = told
    assert [one["peer_address"] for one in told] == ["203.0.113.10", "203.0.113.11"]
    for connection in told:
        assert len({one["address"] for one in connection["tunnels"]}) == 2
    assert all("shared_secret" not in one for one in first["tunnels"]), "whoever chose it has it"
    assert all(len(one["shared_secret"]) == 32 for one in second["tunnels"])
    assert "private_links" in seen().secret_outputs
    assert "private_links" not in registrations().outputs
    assert registrations("asks_for_a_peering").outputs["private_links"]["main"]["connection"]


def test_the_plan_says_what_leads_there_and_what_it_costs() -> None:
    plan = build_plan(load_file(HAPPY), "vpn")
    section = links(plan)
    assert section is not None
    assert "datacentre to cloud: with TLS, over site-to-site VPN of 4 tunnels" in section.lines
    cloud = plan.sites["cloud"]
    said = cloud.summary["private link"]
    assert said.startswith("site-to-site VPN to 203.0.113.10 and 203.0.113.11: 4 tunnels, IKEv2")
    assert "BGP 64530 to 65010, routers in 169.254.61.0/30" in said
    assert "first_tunnel" not in said
    assert cloud.security["front door"] == "inside the network, over TLS"
    assert plan.price is not None
    costs = {one.what: one for one in plan.price.lines if one.site == "cloud"}
    assert (costs["VPN connections"].amount.min, costs["VPN connections"].amount.max) == (2, 2)
    hourly = costs["VPN connections"].dollars_per_month
    assert hourly is not None
    assert hourly.min == pytest.approx(2 * 0.05 * 730)
    assert costs["addresses of tunnels"].amount.max == 4


def test_where_nobody_knows_its_price_the_plan_says_so() -> None:
    deployment = read_stack_file(HAPPY).values["config"]["slipway:deployment"]
    own = deployment["sites"]["cloud"]["platform"]
    own |= {"region": "eu-central-1", "zones": ["eu-central-1a", "eu-central-1b"]}
    price = build_plan(validate(deployment, "vpn", {}), "vpn").price
    assert price is not None
    (line,) = [one for one in price.lines if one.what == "VPN connections"]
    assert line.dollars_per_month is None


def test_a_peering_reaches_no_own_machines_and_the_plan_says_so() -> None:
    plan = build_plan(load_file(FOLDER / "aws-peering.happy.yaml"), "peering")
    said = plan.sites["cloud"].summary["private link"]
    assert "VPC peering with vpc-0fedcba9876543210, account 210987654321, region us-west-2" in said
    assert "reaches no own machines" in said
    assert "its owner accepts it" in said
    accepts = build_plan(load_file(FOLDER / "aws-peering-accepts.happy.yaml"), "peering").sites["cloud"]
    assert "its owner accepts it" not in accepts.summary["private link"]
    section = links(plan)
    assert section is not None
    assert "datacentre to cloud: with TLS, over VPC peering" in section.lines


@pytest.mark.parametrize("change", [over_a_vpn, same_account])
def test_a_name_that_two_sites_have_is_asked_over_the_internet(change: Callable[[Deployment], None]) -> None:
    def linked(deployment: Deployment) -> None:
        other: Deployment = json.loads(json.dumps(deployment))
        change(other)
        own = platform(other)
        platform(deployment).update({field: own[field] for field in ("vpn", "peering") if field in own})

    with pytest.raises(Refused) as refused:
        plan_of("as_it_ships", linked)
    assert "Route 53 asks over the internet" in str(refused.value)

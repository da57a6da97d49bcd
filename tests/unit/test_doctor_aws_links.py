"""Doctor of AWS about private links: a real botocore asks an AWS of ours about what the other end is there."""

from __future__ import annotations

from typing import Any

import pytest

from infra.doctor.finding import State
from tests.aws_api import Refusal
from tests.on_aws import accepts_a_peering, over_a_vpn
from tests.unit.test_doctor_aws import examined, nobody

__all__ = ["nobody"]

OK, MISSING, LOOK, UNKNOWN = State.OK, State.MISSING, State.LOOK, State.UNKNOWN
FIRST, SECOND = "gateway 203.0.113.10", "gateway 203.0.113.11"
PEERING = "peering pcx-0123456789abcdef0"
OURS = [{"Key": "slipway:stack", "Value": "prod"}]


def gateways(**changed: Any) -> dict[str, Any]:
    one = {"CustomerGatewayId": "cgw-1", "IpAddress": "203.0.113.10", "BgpAsn": "65000", "State": "available"}
    return {"ec2:DescribeCustomerGateways": {"CustomerGateways": [{**one, **changed}]}}


def asked(status: str = "pending-acceptance", *ranges: str) -> dict[str, Any]:
    blocks = [{"CidrBlock": one} for one in ranges or ("10.8.0.0/16",)]
    other = {"VpcId": "vpc-1", "OwnerId": "210987654321", "CidrBlockSet": blocks}
    one = {"VpcPeeringConnectionId": PEERING.split()[1], "Status": {"Code": status}, "RequesterVpcInfo": other}
    return {"ec2:DescribeVpcPeeringConnections": {"VpcPeeringConnections": [one]}}


def test_without_a_link_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    found, api = examined(monkeypatch, {})
    assert not [what for what in found if what.startswith(("gateway", "peering", "private link"))]
    assert not {"ec2:DescribeCustomerGateways", "ec2:DescribeVpcPeeringConnections"} & {*api.asked}


@pytest.mark.parametrize(
    ("changed", "state"),
    [({}, MISSING), ({"Tags": OURS}, OK), ({"BgpAsn": "65010"}, OK), ({"Tags": [OURS[0] | {"Value": "x"}]}, MISSING)],
)
def test_a_gateway_of_somebody_else(changed: dict[str, Any], state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = examined(monkeypatch, gateways(**changed), over_a_vpn)
    assert found[FIRST].state is state
    assert found[SECOND].state is state, "the stand-in tells of it whatever address is asked for"
    if state is MISSING:
        assert "cgw-1, which this stack did not make" in found[FIRST].found
        assert "another number as `vpn.peer_asn`" in found[FIRST].remedy


def test_nobody_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = examined(monkeypatch, {"ec2:DescribeCustomerGateways": {"CustomerGateways": []}}, over_a_vpn)
    assert (found[FIRST].state, found[SECOND].state) == (OK, OK)


@pytest.mark.parametrize(
    ("status", "ranges", "state", "said"),
    [
        ("pending-acceptance", ("10.8.0.0/16",), OK, "pending-acceptance, from vpc-1 of account 210987654321"),
        ("active", ("10.0.0.0/12",), OK, "active, from vpc-1"),
        ("expired", ("10.8.0.0/16",), MISSING, "expired: it cannot be accepted"),
        ("active", ("10.9.0.0/16",), LOOK, "nothing of 10.8.0.0/16 comes from there"),
    ],
)
def test_a_peering_that_is_to_be_accepted(
    status: str, ranges: tuple[str, ...], state: State, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = examined(monkeypatch, asked(status, *ranges), accepts_a_peering)
    assert found[PEERING].state is state
    assert said in found[PEERING].found


def test_one_that_nobody_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal("InvalidVpcPeeringConnectionID.NotFound", "It does not exist.")
    found, _ = examined(monkeypatch, {"ec2:DescribeVpcPeeringConnections": lambda asked: refusal}, accepts_a_peering)
    assert found[PEERING].state is MISSING
    assert "this account has none of that id" in found[PEERING].found


def test_one_that_nobody_may_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal("UnauthorizedOperation", "You are not authorized to perform this operation.", 403)
    found, _ = examined(monkeypatch, {"ec2:DescribeVpcPeeringConnections": lambda asked: refusal}, accepts_a_peering)
    assert PEERING not in found
    assert found["private link"].state is UNKNOWN

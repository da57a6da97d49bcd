"""The private link: whether AWS would give somebody else's gateway for it, and whether a peering that is to be accepted
was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from infra.doctor.finding import Finding, look, missing, ok
from infra.platforms.aws.account import Account, Unanswered
from infra.platforms.aws.link_plan import NO_NUMBER, PeeringPlan
from infra.platforms.aws.site_plan import AwsSitePlan

STACK_TAG = "slipway:stack"
# A request is there for seven days; then it can only be made again (VPC peering guide, lifecycle, read 2026-11).
WAITS, ACCEPTED = "pending-acceptance", "active"
NOT_THERE = ("InvalidVpcPeeringConnectionID.NotFound", "InvalidVpcPeeringConnectionId.Malformed")


def check(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """Asks for what the other end is on AWS; nothing without a link."""
    if vpn := details.vpn:
        for connection in vpn.connections:
            filters = [
                {"Name": "ip-address", "Values": [connection.peer]},
                {"Name": "state", "Values": ["available"]},
            ]
            found = account.every("ec2", "describe_customer_gateways", "CustomerGateways", Filters=filters)
            yield gateway(connection.peer, str(vpn.peer_asn or NO_NUMBER), [*found], details.tags[STACK_TAG])
    if (peering := details.peering) and peering.connection_id:
        yield _asked(account, peering, peering.connection_id)


def gateway(peer: str, number: str, known: Sequence[Mapping[str, Any]], stack: str) -> Finding:
    """AWS makes no second one of the same address and number: it gives the first, whosever it is (EC2 API reference,
    CreateCustomerGateway, read 2026-11)."""
    what = f"gateway {peer}"
    for one in known:
        own = any((tag["Key"], tag["Value"]) == (STACK_TAG, stack) for tag in one.get("Tags", ()))
        if not own and number in (str(one.get("BgpAsn")), str(one.get("BgpAsnExtended"))):
            return missing(
                what,
                f"{one['CustomerGatewayId']}, which this stack did not make, has its address and its number {number}: "
                "AWS would give that one, and it would go with this site",
                "remove it, or give the other end another number as `vpn.peer_asn`",
            )
    return ok(what, f"no other one has its address and its number {number}")


def _asked(account: Account, peering: PeeringPlan, connection: str) -> Finding:
    try:
        found = list(
            account.every(
                *("ec2", "describe_vpc_peering_connections", "VpcPeeringConnections"),
                VpcPeeringConnectionIds=[connection],
            )
        )
    except Unanswered as answer:
        if answer.code not in NOT_THERE:
            raise
        found = []
    return request(connection, peering.peer_ranges, found)


def request(connection: str, ranges: Sequence[str], found: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether it can be accepted, and is of the network that `peering.peer_ranges` are of."""
    what, again = f"peering {connection}", "have it asked for again, and name that one as `peering.connection_id`"
    if not found:
        return missing(what, "this account has none of that id in this region", again)
    status = str(found[0].get("Status", {}).get("Code"))
    if status not in (WAITS, ACCEPTED):
        return missing(what, f"{status}: it cannot be accepted", again)
    other = found[0].get("RequesterVpcInfo", {})
    there = [IPv4Network(one["CidrBlock"]) for one in other.get("CidrBlockSet", ())]
    beyond = [one for one in ranges if not any(IPv4Network(one).subnet_of(own) for own in there)]
    if beyond:
        own = ", ".join(map(str, there)) or "no range"
        return look(
            what,
            f"{status}, from {other.get('VpcId')} with {own}: nothing of {', '.join(beyond)} comes from there",
            "correct `peering.peer_ranges`",
        )
    return ok(what, f"{status}, from {other.get('VpcId')} of account {other.get('OwnerId')}")

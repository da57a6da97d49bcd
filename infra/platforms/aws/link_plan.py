"""The private link of a site on AWS, decided: tunnels or a peering, what is taken of the other end, what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from infra.plan.address_space import block
from infra.platforms.aws.config import AwsSettings
from infra.platforms.base import SiteRequest
from infra.platforms.private_links import number_problems, one_link_problems, range_problems, secret_problems
from infra.price.bill import Use
from infra.problems import Problem

# Where both routers of a tunnel are, a /30 to a tunnel: link-local, none of the seven that AWS keeps, and apart from
# those of a link to Google Cloud, which the same router may have (EC2 API reference, "VpnTunnelOptionsSpecification").
ROUTERS, ROUTER_BITS = IPv4Network("169.254.61.0/24"), 30
IKE_VERSION = "ikev2"
ENCRYPTION, INTEGRITY, GROUP = "AES256", "SHA2-256", 14
# BGP's number of a gateway that speaks none; AWS asks for one all the same.
NO_NUMBER = 65_000
PRICED_AS, ADDRESS_PRICED_AS = "vpn_connection", "public_address"


@dataclass(frozen=True, kw_only=True)
class TunnelPlan:
    """One tunnel: the range of both routers, AWS' first, and its secret of the stack; None: AWS makes one."""

    router_range: str
    secret: str | None


@dataclass(frozen=True, kw_only=True)
class ConnectionPlan:
    """Two tunnels to one gateway of the other end."""

    peer: str
    tunnels: tuple[TunnelPlan, TunnelPlan]


@dataclass(frozen=True, kw_only=True)
class VpnPlan:
    """A link over a site-to-site VPN. Without `peer_asn` no BGP is spoken. Only `peer_ranges` are routed to the other
    end, and only from subnets of nodes and of the load balancer: whatever it tells of more leads nowhere."""

    asn: int
    peer_asn: int | None
    connections: tuple[ConnectionPlan, ...]
    peer_ranges: tuple[str, ...]
    ike_version: str
    encryption: str
    integrity: str
    group: int

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those of the stack, which no gateway is given."""
        return tuple(one.secret for connection in self.connections for one in connection.tunnels if one.secret)

    @property
    def short(self) -> str:
        """For a picture."""
        return f"VPN, {2 * len(self.connections)} tunnels to {' and '.join(one.peer for one in self.connections)}"

    @property
    def text(self) -> str:
        """For a reader of the plan, who sets the other end up by it."""
        tunnels = [one for connection in self.connections for one in connection.tunnels]
        routes = f"BGP {self.asn} to {self.peer_asn}" if self.peer_asn else "static routes"
        made = "" if len(self.secrets) == len(tunnels) else ", secrets by AWS"
        return (
            f"site-to-site VPN to {' and '.join(one.peer for one in self.connections)}: {len(tunnels)} tunnels, IKEv2 "
            f"with {self.encryption}, {self.integrity} and group {self.group}{made}, {routes}, routers in "
            f"{', '.join(one.router_range for one in tunnels)}, AWS' first; behind it {', '.join(self.peer_ranges)}; "
            "their addresses are in the stack's output `private_links`"
        )


@dataclass(frozen=True, kw_only=True)
class PeeringPlan:
    """A link by peering. Either this site asks `vpc_id` for it, or it accepts `connection_id`. `accepts` where both
    ends are one account's in one region, so that nobody else is asked."""

    vpc_id: str | None
    account: str | None
    region: str | None
    connection_id: str | None
    accepts: bool
    resolves_names: bool
    peer_ranges: tuple[str, ...]

    @property
    def short(self) -> str:
        """For a picture."""
        return f"VPC peering, {self.vpc_id or self.connection_id}"

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        other = f"with {self.vpc_id}" if self.vpc_id else f"that {self.connection_id} asks for"
        place = "".join(
            f", {word} {value}" for word, value in (("account", self.account), ("region", self.region)) if value
        )
        waits = "" if self.accepts else "; its owner accepts it before requests go through"
        return (
            f"VPC peering {other}{place}{waits}; behind it {', '.join(self.peer_ranges)}. It reaches no own machines, "
            "only networks of AWS, by the front door inside"
        )


def vpn_plan(settings: AwsSettings) -> VpnPlan | None:
    """Decides it; None without one."""
    vpn = settings.vpn
    if vpn is None:
        return None
    connections: list[ConnectionPlan] = []
    for place, one in enumerate(vpn.connections):
        first, second = (
            TunnelPlan(
                router_range=str(block(ROUTERS, ROUTER_BITS - ROUTERS.prefixlen, 2 * place + tunnel)),
                secret=one.shared_secrets[tunnel].secret if one.shared_secrets else None,
            )
            for tunnel in range(2)
        )
        connections.append(ConnectionPlan(peer=one.peer_address, tunnels=(first, second)))
    return VpnPlan(
        asn=vpn.asn,
        peer_asn=vpn.peer_asn,
        connections=tuple(connections),
        peer_ranges=tuple(vpn.peer_ranges),
        ike_version=IKE_VERSION,
        encryption=ENCRYPTION,
        integrity=INTEGRITY,
        group=GROUP,
    )


def peering_plan(settings: AwsSettings) -> PeeringPlan | None:
    """Decides it; None without one."""
    peering = settings.peering
    if peering is None:
        return None
    return PeeringPlan(
        vpc_id=peering.vpc_id,
        account=peering.account,
        region=None if peering.region == settings.region else peering.region,
        connection_id=peering.connection_id,
        accepts=peering.connection_id is not None
        or (peering.account is None and peering.region in (None, settings.region)),
        resolves_names=peering.resolves_names,
        peer_ranges=tuple(peering.peer_ranges),
    )


def way(settings: AwsSettings) -> str | None:
    """How others reach the site, where it is not over the internet."""
    if settings.vpn:
        return f"site-to-site VPN of {2 * len(settings.vpn.connections)} tunnels"
    return "VPC peering" if settings.peering else None


def reached_from(settings: AwsSettings) -> tuple[str, ...]:
    """Ranges of the other end, from which alone the front door is reached; none without a link."""
    link = settings.vpn or settings.peering
    return tuple(link.peer_ranges) if link else ()


def link_problems(where: str, request: SiteRequest) -> Iterator[Problem]:
    """Of the link: what it cannot go with, and what cannot be of both ends."""
    settings: AwsSettings = request.settings
    links = {name: link for name, link in (("vpn", settings.vpn), ("peering", settings.peering)) if link is not None}
    yield from one_link_problems(where, links)
    if links and settings.shield_advanced:
        yield Problem(
            where=f"{where}.shield_advanced",
            found="Shield Advanced, with a private link",
            allowed="Shield Advanced before a front door on the internet, which a site with a private link has not",
            remedy="remove it",
        )
    for field, link in links.items():
        if settings.network.existing is not None:
            yield Problem(
                where=f"{where}.{field}",
                found="a private link, in a network that exists",
                allowed="one of a new network: routes of one that exists are its owner's, and so are its links",
                remedy=f"write `network: {{cidr: RANGE}}`, or remove `{field}`",
            )
        if request.failover is not None:
            yield Problem(
                where=f"{where}.{field}",
                found="a private link of a site whose name another site has too",
                allowed="one of a site that has its name alone: Route 53 asks over the internet whether a site is well",
                remedy=f"remove `{field}`, or name no other site for the same name in `topology`",
            )
        yield from range_problems(f"{where}.{field}", settings.network.cidr, link.peer_ranges)
    if (vpn := settings.vpn) is not None:
        where = f"{where}.vpn"
        yield from number_problems(where, vpn.asn, vpn.peer_asn)
        yield from secret_problems(
            [
                (f"{where}.connections[{place}].shared_secrets[{tunnel}]", one.secret)
                for place, connection in enumerate(vpn.connections)
                for tunnel, one in enumerate(connection.shared_secrets or ())
            ]
        )


def link_uses(vpn: VpnPlan | None, region: str) -> Iterator[Use]:
    """What a link costs: each connection by the hour, and the address of each of its tunnels. A peering has no price of
    its own, data through it has that of any other."""
    connections = len(vpn.connections) if vpn else 0
    for what, item, count in (
        ("VPN connections", PRICED_AS, connections),
        ("addresses of tunnels", ADDRESS_PRICED_AS, 2 * connections),
    ):
        if count:
            yield Use(what=what, cloud="aws", region=region, item=item, minimum=count, maximum=count)

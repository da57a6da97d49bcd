"""The private link of a site on Google Cloud, decided: addresses of both ends, ciphers, and which routes are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from infra.platforms.gcp.config import GcpSettings
from infra.platforms.private_links import number_problems, range_problems, secret_problems
from infra.price.bill import Use
from infra.problems import Problem

# Where both routers of a tunnel are, one to a tunnel: link-local, as Google asks for (Cloud VPN documentation, "Create
# an HA VPN gateway to a peer VPN gateway").
ROUTERS = (IPv4Network("169.254.60.0/30"), IPv4Network("169.254.60.4/30"))
IKE_VERSION = 2
PRICED_AS = "vpn_tunnel"


@dataclass(frozen=True, kw_only=True)
class Ciphers:
    """What one phase of IKE may use: without the older ones that Google takes by itself."""

    encryption: tuple[str, ...]
    integrity: tuple[str, ...]
    groups: tuple[str, ...]
    random: tuple[str, ...] = ()


# As Google calls them ("Supported IKE ciphers", as the provider's documentation writes them).
KEYS = Ciphers(
    encryption=("AES-CBC-256",),
    integrity=("HMAC-SHA2-256-128",),
    groups=("Group-14",),
    random=("PRF-HMAC-SHA2-256",),
)
DATA = Ciphers(encryption=("AES-CBC-256",), integrity=("HMAC-SHA2-256-128",), groups=("Group-14",))


@dataclass(frozen=True, kw_only=True)
class TunnelPlan:
    """One tunnel: to which of the peer's gateways, by its place, with which secret of the stack, and where the routers
    of both ends are."""

    peer: int
    secret: str
    router_range: str
    peer_router: str


@dataclass(frozen=True, kw_only=True)
class VpnPlan:
    """The link. `peers` are the gateways of the other end; routes to anything but `peer_ranges` are not taken."""

    asn: int
    peer_asn: int
    peers: tuple[str, ...]
    peer_ranges: tuple[str, ...]
    tunnels: tuple[TunnelPlan, ...]
    ike_version: int
    keys: Ciphers
    data: Ciphers

    @property
    def short(self) -> str:
        """For a picture."""
        return f"HA VPN, {len(self.tunnels)} tunnels to {' and '.join(self.peers)}"

    @property
    def text(self) -> str:
        """For a reader of the plan, who sets the other end up by it."""
        routers = ", ".join(f"{one.router_range} here and {one.peer_router} there" for one in self.tunnels)
        return (
            f"HA VPN to {' and '.join(self.peers)}: {len(self.tunnels)} tunnels, IKEv{self.ike_version}, BGP "
            f"{self.asn} to {self.peer_asn}, routers {routers}; behind it {', '.join(self.peer_ranges)}"
        )


def vpn_plan(settings: GcpSettings) -> VpnPlan | None:
    """Decides it; None without one."""
    vpn = settings.vpn
    if vpn is None:
        return None
    peers = tuple(dict.fromkeys(tunnel.peer_address for tunnel in vpn.tunnels))
    return VpnPlan(
        asn=vpn.asn,
        peer_asn=vpn.peer_asn,
        peers=peers,
        peer_ranges=tuple(vpn.peer_ranges),
        tunnels=tuple(
            TunnelPlan(
                peer=peers.index(tunnel.peer_address),
                secret=tunnel.shared_secret.secret or "",
                router_range=f"{routers[1]}/{routers.prefixlen}",
                peer_router=str(routers[2]),
            )
            for tunnel, routers in zip(vpn.tunnels, ROUTERS, strict=True)
        ),
        ike_version=IKE_VERSION,
        keys=KEYS,
        data=DATA,
    )


def vpn_problems(where: str, settings: GcpSettings) -> Iterator[Problem]:
    """What cannot be of both ends of it."""
    vpn = settings.vpn
    if vpn is None:
        return
    yield from number_problems(where, vpn.asn, vpn.peer_asn)
    yield from secret_problems(
        [(f"{where}.tunnels[{place}].shared_secret", one.shared_secret.secret) for place, one in enumerate(vpn.tunnels)]
    )
    yield from range_problems(where, settings.network.cidr, vpn.peer_ranges)


def vpn_uses(vpn: VpnPlan | None, region: str) -> Iterator[Use]:
    """What a link costs: each tunnel by the hour."""
    if vpn is not None:
        tunnels = len(vpn.tunnels)
        yield Use(what="VPN tunnels", cloud="gcp", region=region, item=PRICED_AS, minimum=tunnels, maximum=tunnels)

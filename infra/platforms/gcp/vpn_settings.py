"""What a user writes about the private link of a site on Google Cloud: both ends of its two tunnels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from infra.platforms.private_links import LinkSettings, OwnNumber, PeerNumber, PublicAddress, SharedSecret
from infra.settings import Settings

# A gateway of Google's has two interfaces, and promises to be there with a tunnel on each alone (Cloud VPN
# documentation, "Cloud VPN overview", read 2026-11).
TUNNELS = 2


class VpnTunnelSettings(Settings):
    """One of the two tunnels."""

    peer_address: PublicAddress = Field(
        description="Where the internet reaches the other end; two gateways, or one for both tunnels."
    )
    shared_secret: SharedSecret = Field(
        description="What both ends know, as `{secret: NAME}`; long and random, and another one for each tunnel."
    )


class VpnSettings(LinkSettings):
    """A link over HA VPN with routes by BGP. The site then has no front door on the internet: its `domain` leads to an
    address of its own network, which the other end is told of."""

    tunnels: Annotated[list[VpnTunnelSettings], Field(min_length=TUNNELS, max_length=TUNNELS)] = Field(
        description="The two tunnels, one from each interface of Google's gateway."
    )
    peer_asn: PeerNumber = Field(description="Number of the other end in BGP, such as 65010.")
    asn: OwnNumber = Field(default=64_514, description="Number of this end in BGP, one that is nobody's.")

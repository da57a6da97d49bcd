"""What a user writes about the private link of a site on AWS: a VPN to own machines, or a peering with another VPC."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from infra.platforms.private_links import LinkSettings, OwnNumber, PeerNumber, PublicAddress, SharedSecret
from infra.settings import Settings

# Each connection of AWS' has two tunnels, to one address of the other end (Site-to-Site VPN user guide, "Tunnel options
# for your AWS Site-to-Site VPN connection", read 2026-11).
TUNNELS = 2


class VpnConnectionSettings(Settings):
    """One gateway of the other end, to which AWS has two tunnels."""

    peer_address: PublicAddress = Field(description="Where the internet reaches it.")
    shared_secrets: Annotated[list[SharedSecret], Field(min_length=TUNNELS, max_length=TUNNELS)] | None = Field(
        default=None,
        description="What both ends of each tunnel know, as `{secret: NAME}`: 8 to 64 letters, digits, `.` and `_`, "
        "not beginning with 0, as AWS takes them. Unset, AWS makes them: the stack's output `private_links` has them.",
    )


class VpnSettings(LinkSettings):
    """A site-to-site VPN. The site then has no front door on the internet: its `domain` leads to addresses of its own
    network, which the other end reaches from `peer_ranges`."""

    connections: Annotated[list[VpnConnectionSettings], Field(min_length=1, max_length=2)] = Field(
        description="A connection for each gateway of the other end; with two, either may be away."
    )
    peer_asn: PeerNumber | None = Field(
        default=None,
        description="Number of the other end in BGP, such as 65010; unset, no BGP is spoken, and AWS is given "
        "`peer_ranges` as routes.",
    )
    asn: OwnNumber = Field(default=64_514, description="Number of this end in BGP, one that is nobody's.")


class PeeringSettings(LinkSettings):
    """A peering with another VPC of AWS. The site then has no front door on the internet. It reaches no own machines,
    nor what the other VPC is linked to."""

    vpc_id: Annotated[str, StringConstraints(pattern=r"^vpc-[0-9a-f]{8,17}$")] | None = Field(
        default=None, description="The other VPC, whose owner accepts; or `connection_id`."
    )
    account: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = Field(
        default=None,
        description="The account of the other VPC; unset, the site's. Whoever deploys then accepts it too, with a "
        "right on the other VPC that `bootstrap/` does not give.",
    )
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")] | None = Field(
        default=None, description="The region of the other VPC; unset, the site's."
    )
    connection_id: Annotated[str, StringConstraints(pattern=r"^pcx-[0-9a-f]{8,17}$")] | None = Field(
        default=None, description="A request of the other VPC's owner, which this site accepts; or `vpc_id`."
    )
    resolves_names: bool = Field(
        default=False,
        description="Whether names of this network's machines lead the other one to their addresses inside. AWS takes "
        "it once the peering is accepted.",
    )

    @model_validator(mode="after")
    def _one_side(self) -> PeeringSettings:
        asks, accepts = self.vpc_id is not None, self.connection_id is not None
        if asks == accepts or (accepts and (self.account or self.region)):
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": "`account` or `region`, with `connection_id`"
                    if asks != accepts
                    else f"{'both' if asks else 'none'} of `vpc_id` and `connection_id`",
                    "allowed": "`vpc_id`, with its `account` and `region`, to ask for a peering; or `connection_id` "
                    "alone, to accept one",
                    "remedy": "remove what is too much" if accepts else "add `vpc_id`",
                },
            )
        return self

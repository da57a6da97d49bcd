"""A private link to a site in a cloud, as every cloud has it: what is written of its other end, and what cannot be."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from infra.addresses import Cidr
from infra.gateway.secret import SecretSettings
from infra.plan.address_space import PRIVATE, nearest_free
from infra.problems import Problem
from infra.settings import Settings

# Of the ends that are ours: of the numbers that are nobody's (RFC 6996), all of 16 bits.
FIRST_OWN_NUMBER, LAST_OWN_NUMBER = 64_512, 65_534


def _of_the_internet(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        address = None
    if address is None or any(address in space for space in PRIVATE):
        raise PydanticCustomError(
            "slipway",
            "{found}",
            {
                "found": f"`{text}`" + ("" if address is None else ", which is private"),
                "allowed": "the address at which the internet reaches the other end, such as `203.0.113.10`",
                "remedy": "name that of your VPN gateway",
            },
        )
    return text


def _of_the_stack(secret: SecretSettings) -> SecretSettings:
    if secret.secret is None:
        raise PydanticCustomError(
            "slipway",
            "{found}",
            {
                "found": "`file`, which no machine that serves reads for it",
                "allowed": "the name of a secret of the stack, which the cloud is given",
                "remedy": "write `{secret: NAME}`, an entry of `slipway:gateway_secrets`",
            },
        )
    return secret


PublicAddress = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"),
    AfterValidator(_of_the_internet),
    Field(json_schema_extra={"x-remedy": "write it like `203.0.113.10`"}),
]
SharedSecret = Annotated[SecretSettings, AfterValidator(_of_the_stack)]
OwnNumber = Annotated[int, Field(ge=FIRST_OWN_NUMBER, le=LAST_OWN_NUMBER)]
PeerNumber = Annotated[int, Field(ge=1, le=4_294_967_294)]


class LinkSettings(Settings):
    """A link. The site then has no front door on the internet: its `domain` leads to addresses of its own network."""

    peer_ranges: Annotated[list[Cidr], Field(min_length=1, max_length=20)] = Field(
        description="Ranges behind the other end, from which the site is reached. Other routes that it tells of are "
        "not taken."
    )


def one_link_problems(where: str, links: Collection[str]) -> Iterator[Problem]:
    """`links` are the fields of those that are written: an address has one way to it."""
    if len(links) > 1:
        yield Problem(
            where=f"{where}.peering",
            found="a peering, with `vpn`",
            allowed="one private link for a site: the front door inside is that of one other end",
            remedy="remove one of them",
        )


def number_problems(where: str, own: int, peer: int | None) -> Iterator[Problem]:
    """Of both ends in BGP; None where nothing is told by it."""
    if own == peer:
        yield Problem(
            where=f"{where}.asn",
            found=f"{own}, at both ends",
            allowed="another number than `peer_asn`: routes between equal ones are no BGP of a cloud's VPN",
            remedy=f"change it to one from {FIRST_OWN_NUMBER} to {LAST_OWN_NUMBER}",
        )


def secret_problems(secrets: Sequence[tuple[str, str | None]]) -> Iterator[Problem]:
    """`secrets` are where each is written, and its name: a tunnel has one of its own."""
    seen: set[str | None] = set()
    for where, name in secrets:
        if name in seen:
            yield Problem(
                where=where,
                found=f"`{name}`, as for another tunnel",
                allowed="a secret for each tunnel: who learns one has not the other",
                remedy="name another entry of `slipway:gateway_secrets`",
            )
        seen.add(name)


def range_problems(where: str, cidr: str | None, peer_ranges: Sequence[str]) -> Iterator[Problem]:
    """Ranges of both ends that overlap, between which nothing is routed."""
    if cidr is None:
        return
    own, behind = IPv4Network(cidr), [IPv4Network(one) for one in peer_ranges]
    for index, one in enumerate(behind):
        if one.overlaps(own):
            near = nearest_free(own.network_address, own.prefixlen, behind)
            yield Problem(
                where=f"{where}.peer_ranges[{index}]",
                found=f"`{one}`, which overlaps the site's `{own}`",
                allowed="ranges apart from `network.cidr`: nothing is routed between equal addresses",
                remedy=f"correct it, or take `{near}` for the site" if near else "correct it",
            )

"""Which private link leads to a site on Google Cloud: a VPN or a peering, or none, and what such a site cannot have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.vpn_plan import vpn_problems
from infra.platforms.private_links import one_link_problems, range_problems
from infra.problems import Problem


@dataclass(frozen=True, kw_only=True)
class PeeringPlan:
    """This site's half of a peering; Google routes between the ranges of both networks' subnets by itself."""

    network: str
    peer_ranges: tuple[str, ...]

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        return (
            f"peering with {self.network}, whose owner makes the other half before requests go through; behind it "
            f"{', '.join(self.peer_ranges)}. It reaches no own machines, only networks of Google Cloud, by the front "
            "door inside"
        )

    @property
    def short(self) -> str:
        """For a picture."""
        return f"peering with {self.network.rpartition('/')[2]}"


def peering_plan(settings: GcpSettings) -> PeeringPlan | None:
    """Decides it; None without one."""
    peering = settings.peering
    return PeeringPlan(network=peering.network, peer_ranges=tuple(peering.peer_ranges)) if peering else None


def is_linked(settings: GcpSettings) -> bool:
    """Whether the front door is inside."""
    return bool(settings.vpn or settings.peering)


def way(settings: GcpSettings) -> str | None:
    """How others reach the site, where it is not over the internet."""
    if settings.peering:
        return "network peering"
    return "HA VPN of two tunnels" if settings.vpn else None


def link_problems(where: str, settings: GcpSettings) -> Iterator[Problem]:
    """Of the link: what it cannot go with, and what cannot be of both ends."""
    links = [field for field in ("vpn", "peering") if getattr(settings, field) is not None]
    yield from one_link_problems(where, links)
    for field, called in (("vpn", "VPN"), ("peering", "peering")):
        if field in links and settings.network.existing is not None:
            yield Problem(
                where=f"{where}.{field}",
                found=f"a {called}, in a network that exists",
                allowed=f"a {called} of a new network: its load balancer takes a range of it",
                remedy=f"write `network: {{cidr: RANGE}}`, or remove `{field}`",
            )
        if field in links and settings.armor is not None and "armor" in settings.model_fields_set:
            yield Problem(
                where=f"{where}.armor",
                found=f"Cloud Armor, with `{field}`",
                allowed=f"Cloud Armor before a front door on the internet, which a site with `{field}` has not",
                remedy="remove it",
            )
    yield from vpn_problems(f"{where}.vpn", settings)
    if settings.peering:
        yield from range_problems(f"{where}.peering", settings.network.cidr, settings.peering.peer_ranges)

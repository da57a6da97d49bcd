"""Deploys the private link of a site on Google Cloud, and says what its other end is set up with."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.platforms.gcp.component_inside_door import InsideDoor
from infra.platforms.gcp.component_network import Network
from infra.platforms.gcp.component_peering import Peering
from infra.platforms.gcp.component_vpn import Vpn
from infra.platforms.gcp.site_plan import GcpSitePlan


def private_link(
    name: str,
    details: GcpSitePlan,
    *,
    network: Network,
    door: InsideDoor,
    secrets: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[Any] | None:
    """To the front door inside. None where the site has no link."""
    if details.peering:
        own = network.network
        return Peering(f"{name}-peering", details.peering, network=own, reached=door.reached, opts=opts).told
    if details.vpn is None:
        return None
    return Vpn(
        f"{name}-vpn",
        details.vpn,
        region=details.region,
        network=network.network,
        reached=door.reached,
        secrets=secrets,
        opts=opts,
    ).told

"""What any cluster that slipway makes has in common: where its API is reached, and which zones it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from pydantic import Field

from infra.addresses import Cidr
from infra.problems import Problem
from infra.settings import Settings


class ApiEndpointSettings(Settings):
    """Who reaches the cluster's API."""

    access: Literal["private", "public"] = Field(
        default="private",
        description="`private` is reached from inside its network only, so deployments run there; `public` also from "
        "`cidrs`.",
    )
    cidrs: list[Cidr] = Field(
        default_factory=list, max_length=40, description="Ranges that reach it from outside, with `access: public`."
    )


def endpoint_problems(where: str, endpoint: ApiEndpointSettings) -> Iterator[Problem]:
    """An API that everybody reaches, and ranges that say nothing."""
    if endpoint.access == "private" and endpoint.cidrs:
        yield Problem(
            where=f"{where}.cidrs",
            found="ranges, with `access: private`",
            allowed="ranges with `access: public` only: nobody outside reaches a private one",
            remedy="remove them, or write `access: public`",
        )
    if endpoint.access == "public" and not endpoint.cidrs:
        yield Problem(
            where=f"{where}.cidrs",
            found="nothing, with `access: public`",
            allowed="the ranges that may reach the cluster's API",
            remedy="name those of your offices and runners, or write `access: private`",
        )
    for index, cidr in enumerate(endpoint.cidrs):
        # An eighth of the internet is no range of anybody's.
        if int(cidr.rpartition("/")[2]) < 8:
            yield Problem(
                where=f"{where}.cidrs[{index}]",
                found=f"`{cidr}`, which is nearly everybody",
                allowed="ranges of your own, of /8 or smaller",
                remedy="name those of your offices and runners, or write `access: private`",
            )


def zone_problems(
    where: str, zones: Sequence[str], region: str, example: str, of_region: Callable[[str], bool]
) -> Iterator[Problem]:
    """Zones of another region, and one twice. `of_region` knows how the cloud calls the zones of a region."""
    for index, zone in enumerate(zones):
        again = zone in zones[:index]
        if again or not of_region(zone):
            yield Problem(
                where=f"{where}.zones[{index}]",
                found=f"`{zone}`" + (" a second time" if again else ""),
                allowed=f"different zones of `{region}`, such as `{example}`",
                remedy="correct the zone or the region",
            )


def api_access(endpoint: ApiEndpointSettings) -> str:
    """For a reader of the plan, as what follows is."""
    return f"public, from {', '.join(endpoint.cidrs)}" if endpoint.cidrs else "private"


def firewall(requests: int | None, time: str) -> str:
    """None is no firewall."""
    return "none" if requests is None else f"on, at most {requests} requests of one address in {time}"


def deletion(*, protected: bool) -> str:
    return "protected" if protected else "not protected"

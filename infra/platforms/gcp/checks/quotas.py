"""Quotas: what the project may have, less what others in it use, against what the site has at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from infra.doctor.finding import Finding, guarded, look, ok
from infra.doctor.quota_row import called, quota_row
from infra.plan.quota_types import QuotaNeed
from infra.platforms.gcp.project import Project, Unanswered
from infra.platforms.gcp.quotas import (
    ADDRESSES,
    GPUS_EVERYWHERE,
    NETWORKS,
    PROCESSORS_EVERYWHERE,
    card_of,
    counts_processors,
    family,
    processors,
    quota_of,
)

Thing = Mapping[str, Any]
# Machines that count for nothing while they are so.
AT_REST = ("TERMINATED", "SUSPENDED")
UNLIMITED = -1


def check(
    project: Project, needs: Sequence[QuotaNeed], *, region: str, labels: Mapping[str, str], network: str | None
) -> Iterator[Finding]:
    """A row each; one that may not be asked hides no other. What has the labels, or is the network, is the site's."""
    used = _users(project, region, labels, network)
    for need in needs:
        yield from guarded(called(need), lambda need=need: _asked(project, need, region, used), Unanswered)


def _asked(project: Project, need: QuotaNeed, region: str, used: Callable[[str], int | None]) -> Iterator[Finding]:
    if need.code is None:
        yield look(called(need), "no quota is known here that counts them", "look for it among those of Compute Engine")
        return
    code, dimensions = dimensions_of(need.code, region)
    path = f"v1/projects/{project.project}/locations/global/services/{need.service}/quotaInfos/{code}"
    info = project.find("cloudquotas", path)
    allowed = None if info is None else value_of(info, dimensions, region)
    if allowed is None and code.startswith("PREEMPTIBLE"):
        yield look(
            called(need),
            "the project has none of its own: they count with those on demand, if at all",
            request(project.project, need, region, need.needed),
        )
        return
    if allowed == UNLIMITED:
        yield ok(called(need), f"no limit, {need.needed:,} needed")
        return
    yield quota_row(need, allowed or 0, used(need.code), lambda value: request(project.project, need, region, value))


def dimensions_of(code: str, region: str) -> tuple[str, dict[str, str]]:
    """The quota's id, and which of its values is meant."""
    name, *rest = code.split(" ")
    own = dict(part.split("=") for part in rest)
    return name, own if name.endswith("per-project") else {"region": region, **own}


def value_of(info: Thing, dimensions: Mapping[str, str], region: str) -> int | None:
    """The value that fits best: one may be of a region and a family, another of all that none names. None where there
    is none, which is how Google says that nothing was given."""
    fitting: list[tuple[int, int]] = []
    for row in info.get("dimensionsInfos", ()):
        own, places = row.get("dimensions", {}), row.get("applicableLocations", ())
        here = not places or region in places or "global" in places or "region" in own
        value = row.get("details", {}).get("value")
        if here and value is not None and own.items() <= dimensions.items():
            fitting.append((len(own), int(value)))
    return max(fitting)[1] if fitting else None


def request(project: str, need: QuotaNeed, region: str, value: int) -> str:
    code, dimensions = dimensions_of(need.code or "", region)
    which = f" --dimensions={','.join(f'{key}={one}' for key, one in dimensions.items())}" if dimensions else ""
    return (
        f"`gcloud beta quotas preferences create --project={project} --service={need.service} --quota-id={code}{which} "
        f"--preferred-value={value} --email=YOUR_ADDRESS`"
    )


def _users(
    project: Project, region: str, labels: Mapping[str, str], network: str | None
) -> Callable[[str], int | None]:
    """How much others use of a quota; None where Google does not tell. Machines are asked for once."""

    def own(thing: Thing) -> bool:
        return labels.items() <= thing.get("labels", {}).items()

    @cache
    def machines() -> list[Thing]:
        path = f"compute/v1/projects/{project.project}/aggregated/instances"
        zones = project.every("compute", path, "items", maxResults="500")
        every: list[Thing] = [one for zone in zones for one in zone.get("instances", ())]
        return [one for one in every if one.get("status") not in AT_REST and not own(one)]

    def used(code: str) -> int | None:
        path = f"compute/v1/projects/{project.project}/global"
        if code == NETWORKS:
            return sum(one["name"] != network for one in project.every("compute", f"{path}/networks", "items"))
        if code == ADDRESSES:
            return sum(not own(one) for one in project.every("compute", f"{path}/addresses", "items"))
        if code == GPUS_EVERYWHERE:
            return sum(count for one in machines() for _, count in _cards(one))
        if code == PROCESSORS_EVERYWHERE:
            return sum(map(_processors, machines()))
        if "per-project-region" in code:
            return sum(_counted(one, code) for one in machines() if _region(one) == region)
        return None

    return used


def _counted(machine: Thing, code: str) -> int:
    """Of one machine, by that quota."""
    purchase = _purchase(machine)
    cards = sum(count for card, count in _cards(machine) if _code(card, purchase) == code)
    return cards + (_processors(machine) if _code(family(_type(machine)), purchase) == code else 0)


def _code(key: str, purchase: str) -> str | None:
    quota = quota_of(key, purchase)
    return quota.code if quota else None


def _purchase(machine: Thing) -> str:
    scheduling = machine.get("scheduling", {})
    spot = scheduling.get("provisioningModel") in ("SPOT", "FLEX_START") or scheduling.get("preemptible")
    return "spot" if spot else "on_demand"


def _cards(machine: Thing) -> list[tuple[str, int]]:
    cards: Sequence[Thing] = machine.get("guestAccelerators", ())
    return [(card_of(one["acceleratorType"].rpartition("/")[2]), int(one["acceleratorCount"])) for one in cards]


def _processors(machine: Thing) -> int:
    kind = _type(machine)
    return (processors(kind) or 0) if counts_processors(kind) else 0


def _type(machine: Thing) -> str:
    return machine.get("machineType", "").rpartition("/")[2]


def _region(machine: Thing) -> str:
    return machine.get("zone", "").rpartition("/")[2].rpartition("-")[0]

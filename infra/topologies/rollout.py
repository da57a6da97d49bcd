"""How a deployment of many stacks is rolled out: in rings, each after the one before has shown that it serves. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from infra.explain import dotted
from infra.problems import Problem, did_you_mean, listing
from infra.settings import Name, Settings

# Stands for the site's name, so that what all sites share can differ in it.
SITE = "{site}"
REST = "rest"
MOST_NAMED = 20
# They end up in a command line on that machine, so they are plain.
Folder = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/{}-]*[A-Za-z0-9._}-]$", max_length=1024)]
SshDestination = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9{][A-Za-z0-9._@:{}-]*$", max_length=255)]


class HostSettings(Settings):
    """The machine that deploys a site: its own box. It has a checkout of slipway, or what a bundle put there."""

    ssh: SshDestination | None = Field(
        default=None,
        description="Where `ssh` reaches it, such as `slipway@{site}.example.com`; unset, the folder is on this "
        "machine. `{site}` stands for the site's name.",
    )
    folder: Folder = Field(
        default="/opt/slipway", description="The folder of slipway there; `{site}` stands for the site's name."
    )


class RingSettings(Settings):
    """Sites that change together: so many, a share of all, or these."""

    count: int | None = Field(default=None, ge=1, le=100_000, description="How many sites.")
    percent: float | None = Field(
        default=None, ge=0.1, le=100, description="Share of all sites in percent, rounded up to whole ones."
    )
    sites: list[str] | None = Field(default=None, min_length=1, description="These sites, by name.")

    @model_validator(mode="after")
    def _one_of_three(self) -> RingSettings:
        said = [name for name in ("count", "percent", "sites") if getattr(self, name) is not None]
        if len(said) != 1:
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": listing(said) if said else "nothing",
                    "allowed": "exactly one of `count`, `percent` and `sites`",
                    "remedy": "say which sites the ring has in one way",
                },
            )
        return self


def _default_rings() -> dict[str, RingSettings]:
    return {"first": RingSettings(count=1), "early": RingSettings(percent=10)}


class RolloutSettings(Settings):
    """In which order small sites change, and what stops it."""

    rings: dict[Name, RingSettings] = Field(
        default_factory=_default_rings,
        max_length=16,
        description="The rings, in their order; unset, one site and then a tenth of all. Sites that none takes come "
        "last, as the ring `rest`.",
    )
    concurrent_sites: int = Field(default=8, ge=1, le=256, description="How many sites change at the same time.")
    failed_percent: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Share of a ring's sites that may fail, in percent; with more the next ring is not begun.",
    )
    soak_seconds: float = Field(
        default=0.0, ge=0, le=86_400, description="How long a ring serves before it is asked whether it does."
    )
    answer_seconds: float = Field(
        default=300.0,
        ge=1,
        le=86_400,
        description="How long a changed site may take to answer real requests; then it has failed.",
    )


@dataclass(frozen=True, kw_only=True)
class Host:
    """How a site's machine is reached, nothing left open."""

    ssh: str | None
    folder: str


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The sites that are a stack each, the rings in which they change, and the machines that deploy them (None: this
    one)."""

    hosts: Mapping[str, Host | None]
    rings: Mapping[str, tuple[str, ...]]
    concurrent_sites: int
    failed_percent: float
    soak_seconds: float
    answer_seconds: float


def rings_of(rollout: RolloutSettings, sites: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Every site in exactly one ring. Who is named somewhere is in no other ring's number."""
    named = {site for ring in rollout.rings.values() for site in ring.sites or ()}
    left = [site for site in sites if site not in named]
    found: dict[str, tuple[str, ...]] = {}
    for name, ring in rollout.rings.items():
        if ring.sites is not None:
            found[name] = tuple(ring.sites)
            continue
        wanted = ring.count if ring.count is not None else -int(-len(sites) * (ring.percent or 0) // 100)
        found[name] = tuple(left[:wanted])
        left = left[wanted:]
    if left:
        found[REST] = (*found.get(REST, ()), *left)
    return {name: ring for name, ring in found.items() if ring}


def rollout_problems(where: str, rollout: RolloutSettings, sites: Sequence[str]) -> Iterator[Problem]:
    """Names in rings that are no site's, or in two rings."""
    seen: dict[str, str] = {}
    for name, ring in rollout.rings.items():
        for index, site in enumerate(ring.sites or ()):
            spot = dotted(where, ("rings", name, "sites", index))
            if site not in sites:
                more = f" and {len(sites) - MOST_NAMED} more" if len(sites) > MOST_NAMED else ""
                yield Problem(
                    where=spot,
                    found=f"`{site}`, which is not among the small sites",
                    allowed=f"{listing(sites[:MOST_NAMED])}{more}",
                    remedy=did_you_mean(site, sites, "name one of these"),
                )
            elif site in seen:
                yield Problem(
                    where=spot,
                    found=f"`{site}`, which is in the ring `{seen[site]}` already",
                    allowed="each site in one ring",
                    remedy="remove one of the two",
                )
            seen[site] = name


def host_of(settings: HostSettings | None, site: str) -> Host | None:
    """With the site's name in its place."""
    if settings is None:
        return None
    ssh = settings.ssh
    return Host(ssh=None if ssh is None else ssh.replace(SITE, site), folder=settings.folder.replace(SITE, site))

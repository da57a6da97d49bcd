"""The words of a start: what a place says of how replicas start there, and what a plan says of a model's start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A time in seconds, a size, or a rate as its unit says, between its fast and its slow end."""

    low: float
    high: float
    source: str
    as_of: str

    @property
    def said(self) -> str:
        return f"{self.source} ({self.as_of})"


@dataclass(frozen=True, kw_only=True)
class StartingPlace:
    """How a replica starts at a place, as far as its platform knows.

    `provision` is the time until a machine is there. `network_gbps` None is unknown, and no bound. `streams_images`
    says that containers start while their image is still being read, `keeps_weights` that a bucket beside it has what a
    hub has, `mounts_weights` that pods have that as a file system. `can_…` are measures that a plan may choose there.
    A start that takes longer than `longest_start_seconds` is ended, and a machine gets `longest_drain_seconds` to end;
    None is as long as it takes.

    `cloud` and `region` are as in price lists, None for own machines; `spare_items` is what one more replica pays for
    by the hour, and how much of it.
    """

    name: str
    provision: Seen
    pulls_images: bool = True
    streams_images: bool = False
    keeps_weights: bool = False
    mounts_weights: bool = False
    network_gbps: float | None = None
    can_stream_images: bool = False
    can_mount_images: bool = False
    can_cache_weights: bool = False
    can_keep_spares: bool = False
    longest_start_seconds: int | None = None
    longest_drain_seconds: int | None = None
    cloud: str | None = None
    region: str | None = None
    spare_items: tuple[tuple[str, float], ...] = ()
    spare_purchase: str = "on_demand"


@dataclass(frozen=True, kw_only=True)
class ColdStartPhase:
    """One step of a start: what it takes at worst and at best, what that is computed from, and who says so."""

    name: str
    seconds: float
    seconds_low: float
    why: str
    source: str


@dataclass(frozen=True, kw_only=True)
class ColdStartCure:
    """A measure that shortens a start: by how much at worst, for how much a month. None is no price, never 0."""

    name: str
    chosen: bool
    saves_seconds: float
    dollars_per_month: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class ModelColdStart:
    """From "a replica is needed" to its first answer, with the measures that are chosen, at the site where that takes
    longest. `total_seconds` is at worst, and `seconds_by_site` too; a start probe gives `startup_budget_seconds` from
    when the container runs."""

    site: str
    phases: tuple[ColdStartPhase, ...]
    total_seconds: float
    total_seconds_low: float
    seconds_by_site: Mapping[str, float]
    cures: tuple[ColdStartCure, ...]
    reason: str
    startup_budget_seconds: int

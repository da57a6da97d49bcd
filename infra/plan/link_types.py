"""The words of a plan for the ways between sites: who takes one, when, at what price, and with which data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class TokenPrice:
    """What tokens cost at a site, in dollars for a million, and by what that is known: `price` is the model's own,
    `machines` what the site's machines cost, at full load or at that which the objective states."""

    input_dollars_per_million_tokens: float
    output_dollars_per_million_tokens: float
    by: str


@dataclass(frozen=True, kw_only=True)
class Overflow:
    """By which rule requests leave a full site. `client` is who they are at the next one. `prices` are by model; empty
    where nothing bounds what is spent."""

    busy_percent: int
    return_percent: int
    wait_seconds: float
    kv_cache_percent: int | None
    client: str
    dollars_per_day: float | None
    prices: Mapping[str, TokenPrice] = field(default_factory=dict[str, TokenPrice], hash=False)


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Clients whose data is of one class (None: of no class), whether it may take a way, and what becomes of personal
    data in it: `mode`s by what is done, beginning with that of every kind."""

    data_class: str | None
    clients: tuple[str, ...]
    crosses: bool
    personal_data: str


@dataclass(frozen=True, kw_only=True)
class SiteLink:
    """A way that requests take from one site to another, and why: `overflow` when the first is full, `standby` when it
    is gone, `fallback` for what it cannot serve. `clients` are those whose data may take it, `crossings` says it of all
    of them. `boundaries` are those of both ends, `over` what leads from one to the other, None where
    nobody asked. `shows_certificate`: whether the first one's gateway has one to show at the other."""

    source: str
    target: str
    reason: str
    models: tuple[str, ...]
    clients: tuple[str, ...] = ()
    boundaries: tuple[str, str] = ("", "")
    crossings: tuple[Crossing, ...] = ()
    overflow: Overflow | None = None
    over: str | None = None
    shows_certificate: bool = False

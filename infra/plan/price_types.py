"""The words of a plan's prices: what each thing costs, all of it together, and a million tokens of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Dollars:
    """At the fewest and at the most replicas."""

    min: float
    max: float


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Machines, GB kept or GB moved in a month, or minutes, at the fewest and at the most replicas."""

    min: float
    max: float


@dataclass(frozen=True, kw_only=True)
class PriceLine:
    """One thing that is paid for. Dollars are None, never 0, where nobody says a price."""

    site: str
    what: str
    item: str
    amount: Amount
    dollars_per_month: Dollars | None
    source: str | None
    as_of: str | None


@dataclass(frozen=True, kw_only=True)
class RolloutPrice:
    """What one change of a model costs at a site where it runs one replica more (`rollout: spare`), until every replica
    has started again, on a slow day. It is in no sum. `gpus` are those of the one more, beside those of all others.
    None where nobody says a price, or how long a start takes."""

    site: str
    model: str
    gpus: int
    dollars_per_hour: float | None
    minutes: Amount | None
    dollars: Dollars | None


@dataclass(frozen=True, kw_only=True)
class CrossoverPoint:
    """So many replicas, which answer up to `requests_per_second`: what they cost a month where they are paid for by use
    and used round the clock, and where they always run. That is cheaper when they are used for more than
    `hours_per_day` (None: never)."""

    replicas: int
    requests_per_second: float
    used_dollars_per_month: float
    always_dollars_per_month: float
    hours_per_day: float | None


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """From when on something that always runs, such as a cluster, is cheaper for a model than its site, where it is
    paid for by use: from so many `replicas`, which is above a steady load of `requests_per_second` round the clock.
    None: never. Without disks, and what moves. `points` are by replicas, from one."""

    site: str
    model: str
    own_name: str
    name: str
    replicas: int | None
    requests_per_second: float | None
    points: tuple[CrossoverPoint, ...]


@dataclass(frozen=True, kw_only=True)
class PricePlan:
    """What the clouds of all sites charge, without what leaves them. `dollars_per_hour_now` is what runs before anybody
    asks: at the fewest replicas. `as_of` is the oldest date of a price; `lines` without a price are in no sum, and no
    `rollouts` are. `crossovers` are of sites that are paid for by use."""

    dollars_per_hour_now: float
    dollars_per_hour: Dollars
    dollars_per_month: Dollars
    as_of: str | None
    lines: tuple[PriceLine, ...]
    rollouts: tuple[RolloutPrice, ...] = ()
    crossovers: tuple[Crossover, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelPrice:
    """What a million tokens cost in machines of the model's own, at its performance: at full load of all replicas, and
    at the load that its objective states (None without one), when `stated_load` of the capacity that then runs is used.

    Answers bear everything, their prompts too; what a million tokens of prompts cost by themselves is a part of that.
    """

    dollars_per_million_output_tokens: float
    dollars_per_million_input_tokens: float
    stated_load: float | None
    dollars_per_million_output_tokens_at_stated_load: float | None
    dollars_per_million_input_tokens_at_stated_load: float | None

"""Crossover: from which steady load on what always runs becomes cheaper than what is paid for while it is used.

One side pays for instances while there is load, the other for machines round the clock. Both need the same number of
replicas for the same load, so that the price of a replica and what is around them decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra.price.bill import HOURS_PER_MONTH, Use, bill
from infra.price.book import PriceBook

HOURS_PER_DAY = 24
DAYS_PER_MONTH = HOURS_PER_MONTH / HOURS_PER_DAY


@dataclass(frozen=True, kw_only=True)
class Rival:
    """What a site is compared with: its `name`, what it pays for however many replicas run, and for each of them. `own`
    are the same of the site itself: `own_replica` while it is used, `own_around` always."""

    name: str
    own_name: str
    around: tuple[Use, ...]
    replica: tuple[Use, ...]
    own_around: tuple[Use, ...]
    own_replica: tuple[Use, ...]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Dollars: by the hour of one replica, and by the month of what is around them, where paid for by use and where
    it always runs. One replica answers `requests_per_second`."""

    used_replica_per_hour: float
    used_around_per_month: float
    always_replica_per_hour: float
    always_around_per_month: float
    requests_per_second: float

    def used_per_month(self, replicas: int, hours_per_day: float = HOURS_PER_DAY) -> float:
        """Of so many replicas that are used for so long every day."""
        hours = hours_per_day * DAYS_PER_MONTH
        return self.used_around_per_month + replicas * self.used_replica_per_hour * hours

    def always_per_month(self, replicas: int) -> float:
        """Of so many replicas that always run."""
        return self.always_around_per_month + replicas * self.always_replica_per_hour * HOURS_PER_MONTH


def crossover_replicas(sides: Sides) -> int | None:
    """The fewest replicas that are cheaper where they always run, when all are used round the clock; None: no number
    of them is."""
    saved = (sides.used_replica_per_hour - sides.always_replica_per_hour) * HOURS_PER_MONTH
    extra = sides.always_around_per_month - sides.used_around_per_month
    if extra < 0:
        # What is around costs less too: the first is cheaper, or, at a dearer replica, as long as there are few.
        return 1 if sides.always_per_month(1) < sides.used_per_month(1) else None
    if saved <= 0:
        return None
    return math.floor(extra / saved) + 1


def crossover_requests_per_second(sides: Sides) -> float | None:
    """The steady load above which what always runs is cheaper: that of one replica fewer than it needs."""
    replicas = crossover_replicas(sides)
    return None if replicas is None else (replicas - 1) * sides.requests_per_second


def crossover_hours_per_day(sides: Sides, replicas: int) -> float | None:
    """For how long so many replicas are used every day before it is cheaper to let them always run; None: even round
    the clock they are not."""
    difference = sides.always_per_month(replicas) - sides.used_around_per_month
    hours = difference / (replicas * sides.used_replica_per_hour * DAYS_PER_MONTH)
    return max(0.0, hours) if hours < HOURS_PER_DAY else None


def sides(rival: Rival, book: PriceBook, requests_per_second: float) -> Sides | None:
    """The prices of both; None where a part of either has none."""
    parts = [bill(book, uses) for uses in (rival.own_replica, rival.own_around, rival.replica, rival.around)]
    if any(part.unpriced for part in parts) or not parts[0].dollars_per_month_maximum:
        return None
    used, used_around, always, always_around = (part.dollars_per_month_maximum for part in parts)
    return Sides(
        used_replica_per_hour=used / HOURS_PER_MONTH,
        used_around_per_month=used_around,
        always_replica_per_hour=always / HOURS_PER_MONTH,
        always_around_per_month=always_around,
        requests_per_second=requests_per_second,
    )

"""How much of each thing a cloud lets an account have from the beginning, and what it calls that limit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One limit of an account in a region. `purchase` and `families` say which machines it counts, and are empty where
    it counts no machines; `counts` is what it counts of these, `default` how many a new account may have: None where
    that differs, or nobody says it."""

    cloud: str
    service: str
    code: str
    name: str
    purchase: str | None
    families: tuple[str, ...]
    counts: str | None
    default: int | None
    source: str
    as_of: str


@cache
def quotas() -> tuple[Quota, ...]:
    """Every row, in the order of the table."""
    return tuple(read("quotas.csv", Quota))

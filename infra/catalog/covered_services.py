"""Services of clouds that a business associate agreement covers, or that see nothing of a request; who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read


@dataclass(frozen=True, kw_only=True)
class CoveredService:
    """`service` is what types of resources begin with; `covered` is `listed` by the cloud, or `no data`."""

    service: str
    name: str
    covered: str
    source: str
    as_of: str


@cache
def covered_services() -> Mapping[str, CoveredService]:
    """Every one by what its types begin with."""
    return {row.service: row for row in read("covered_services.csv", CoveredService)}

"""Controllers of others that a cluster is expected to have: which version at least, which was tried, who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read


@dataclass(frozen=True, kw_only=True)
class Controller:
    """`kubernetes` is the window of versions that its makers test it with, None where they name none."""

    controller: str
    does: str
    least_version: str | None
    tried_version: str | None
    kubernetes: str | None
    source: str
    as_of: str

    @property
    def wanted(self) -> str:
        """As a remedy names it."""
        return self.controller + (f" {self.least_version} or newer" if self.least_version else "")


@cache
def controllers() -> Mapping[str, Controller]:
    """Every controller by its name."""
    return {row.controller: row for row in read("controllers.csv", Controller)}

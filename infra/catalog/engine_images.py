"""Images of engines: how much of each is moved when it is pulled, compressed, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read


@dataclass(frozen=True, kw_only=True)
class EngineImage:
    """An entry of `engine_versions.json`; its compressed size lies between the two, in GB."""

    image: str
    compressed_gb_low: float
    compressed_gb_high: float
    source: str
    as_of: str


@cache
def engine_images() -> Mapping[str, EngineImage]:
    """Every image by its entry."""
    return {row.image: row for row in read("engine_images.csv", EngineImage)}

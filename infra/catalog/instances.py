"""Instance types with accelerators, per cloud and region, and what an hour of each costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance type in one region. Prices are US dollars per hour for the whole instance; None is "no price",
    never 0. `price_as_of` is None where the source has no date."""

    cloud: str
    instance_type: str
    region: str
    gpu: str
    gpu_count: int
    vcpu: int | None
    memory_gib: float | None
    price_per_hour: float | None
    spot_price_per_hour: float | None
    spot_interruption_band: str | None
    local_nvme_gb: float | None
    network_gbps: float | None
    fabric: str | None
    price_source: str
    price_as_of: str | None
    spot_source: str
    spot_as_of: str | None


@cache
def instances() -> tuple[Instance, ...]:
    """Every row, in the order of the table."""
    return tuple(read("instances.csv", Instance))


@cache
def network_gbps(cloud: str, instance_type: str) -> float | None:
    """The nominal speed of a machine's network, Gbit/s; None where no row says it."""
    return next(
        (row.network_gbps for row in instances() if (row.cloud, row.instance_type) == (cloud, instance_type)), None
    )

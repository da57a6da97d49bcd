"""The quotas of Cloud Run that a site needs: its most instances, and those of an old version while a new one starts."""

from __future__ import annotations

from infra.plan.quota_types import QuotaNeed
from infra.platforms.cloud_run.site_plan import FrontDoorPlan, ServicePlan
from infra.platforms.gcp.quotas import ADDRESSES, quota_need

# By card, without zonal redundancy and with it, and what one card counts there.
GPUS = {
    "nvidia-l4": ("NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion", "NvidiaL4GpuAllocPerProjectRegion", 1),
    "nvidia-rtx-pro-6000": (
        "NvidiaRtxPro6000GpuAllocNoZonalRedundancyPerProjectRegion",
        "NvidiaRtxPro6000GpuAllocPerProjectRegion",
        1000,
    ),
}
PROCESSORS, MEMORY = "CpuAllocPerProjectRegion", "MemAllocPerProjectRegion"
THOUSANDTHS, GIBIBYTE = 1000, 2**30


def quota_needs(service: ServicePlan, door: FrontDoorPlan | None) -> tuple[QuotaNeed, ...]:
    """Those of one site; another in the same region of the project needs its own beside them."""
    most = service.max_instances + service.min_instances
    of = f"{most} instances"
    found: list[QuotaNeed] = []
    if service.card is not None:
        plain, redundant, each = GPUS[service.card]
        found.append(quota_need(redundant if service.zonal_redundancy else plain, most * each, of))
    found.append(quota_need(PROCESSORS, most * service.processors * THOUSANDTHS, of))
    found.append(quota_need(MEMORY, most * service.memory_gibibytes * GIBIBYTE, of))
    return (*found, *([quota_need(ADDRESSES, 1, "of its load balancer")] if door else []))

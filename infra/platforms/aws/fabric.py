"""The fast network between machines of one replica: EFA devices of a machine, and what pods ask of it."""

from __future__ import annotations

from collections.abc import Mapping

from infra.catalog.instances import instances

EFA_RESOURCE, HUGE_PAGES = "vpc.amazonaws.com/efa", "hugepages-2Mi"
# Of a whole machine (EKS user guide, "Run machine learning training with EFA", read 2026-11). Images of EKS reserve
# more than that where a machine has EFA: AL2023 5128 pages, Bottlerocket 110 MiB for each processor.
HUGE_PAGES_BYTES = 5120 * 1024**2
# NCCL finds it by the plugin `aws-ofi-nccl`, where the engine's image has that; without it, NCCL takes TCP.
ENVIRONMENT: Mapping[str, str] = {"FI_PROVIDER": "efa"}


def efa_devices(instance_type: str) -> int:
    """How many a machine has, as the table of machines says; 0 where it says none."""
    fabric = next((row.fabric for row in instances() if (row.cloud, row.instance_type) == ("aws", instance_type)), None)
    return int(fabric.removeprefix("EFA x")) if fabric and fabric.startswith("EFA x") else 0


def of_each_pod(devices: int, gpus: int, of_machine: int) -> dict[str, int]:
    """What a pod with so many of a machine's GPUs asks for: its part of the devices, and memory for their buffers."""
    if not devices:
        return {}
    return {
        EFA_RESOURCE: max(1, devices * gpus // of_machine),
        HUGE_PAGES: HUGE_PAGES_BYTES * gpus // of_machine,
    }

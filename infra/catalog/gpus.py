"""GPUs and other accelerators: memory that can be used, bandwidth, dense rates, links. Not what labels say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infra.catalog.rows import read

# What one server of a cloud or a rack holds; tensor parallelism never crosses it.
MOST_PER_NODE = 8
MEMORY_ONLY = "memory_only"


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One accelerator. `usable_gib` is what an engine sees; `label_gib` is what is printed on it.

    Rates are dense (no sparsity); None is "does not compute in that format". `compute_capability` is CUDA's, as 89.
    `reported_mib` is the total that the driver reports, where it was read.
    """

    gpu: str
    backend: str
    label_gib: float
    usable_gib: float
    bandwidth_gb_s: float
    tflops_16bit: float
    tflops_fp8: float | None
    tflops_fp4: float | None
    tops_int8: float | None
    link_gb_s: float | None
    interconnect: str
    compute_capability: int | None
    reported_mib: float | None
    spellings: tuple[str, ...]
    notes: str
    source: str
    read_on: str

    @property
    def total_gib(self) -> float:
        """What the driver reports. About 0.5 GiB above what is usable (read: L4 0.46, L40S 0.57, H100 0.46)."""
        return self.reported_mib / 1024 if self.reported_mib else self.usable_gib + 0.5

    @property
    def largest_node(self) -> int:
        """How many share one machine and its links."""
        return 1 if "one chip per machine" in self.interconnect else MOST_PER_NODE


def memory_only(name: str, usable_gib: float) -> Gpu:
    """A card outside the catalogue of which only the memory is known: what fits can be said, how fast cannot."""
    return Gpu(
        gpu=name,
        backend=MEMORY_ONLY,
        label_gib=usable_gib,
        usable_gib=usable_gib,
        bandwidth_gb_s=0.0,
        tflops_16bit=0.0,
        tflops_fp8=None,
        tflops_fp4=None,
        tops_int8=None,
        link_gb_s=None,
        interconnect="",
        compute_capability=None,
        reported_mib=None,
        spellings=(),
        notes="",
        source="stated",
        read_on="",
    )


@cache
def gpus() -> Mapping[str, Gpu]:
    """Every GPU by its name."""
    return {row.gpu: row for row in read("gpus.csv", Gpu)}


def find_gpu(name: str) -> Gpu | None:
    """The GPU of that name in any of its spellings (`H100`, `h100-80gb`, `H100-80GB (79.19 GiB physical)`)."""
    return _spellings().get(_folded(name.partition("(")[0]))


@cache
def _spellings() -> Mapping[str, Gpu]:
    found: dict[str, Gpu] = {}
    for gpu in gpus().values():
        for spelling in (gpu.gpu, *gpu.spellings):
            found[_folded(spelling)] = gpu
    return found


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.strip().lower())

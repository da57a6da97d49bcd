"""How replicas share a GPU of a cluster: by MIG, by time, or by claims of devices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from infra.objective import ACCELERATORS
from infra.plan.nodes import GpuClaim, NodeChoice
from infra.plan.types import ModelPlan
from infra.problems import Problem, did_you_mean, listing
from infra.settings import Settings

_PROFILE_MEMORY = re.compile(r"\.(\d+)gb")
DEVICE_CLASS = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"


class MigSettings(Settings):
    """A part of a GPU with memory and processors of its own."""

    kind: Literal["mig"] = Field(description="A part of a GPU with memory of its own, which its hardware keeps apart.")
    profile: str = Field(
        pattern=r"^[1-7]g\.[1-9][0-9]{0,2}gb(\.me)?$",
        description="The part, such as `3g.40gb`. A cluster that exists has the device plugin's strategy `mixed`.",
    )

    def node(self, whole: NodeChoice, vendor: str, count: int) -> NodeChoice:
        """Nodes have a resource for each profile."""
        resources = {f"{vendor}/mig-{self.profile}": count}
        return NodeChoice(labels=whole.labels, resources=resources, tolerates=whole.tolerates)

    def problems(self, where: str, models: Mapping[str, ModelPlan]) -> Iterator[Problem]:
        """Models that need more than the part has. What is free in the whole GPU is not free in a part of it."""
        found = _PROFILE_MEMORY.search(self.profile)
        has = float(found.group(1)) if found else 0.0
        for name, model in models.items():
            needs = model.memory.weights_gib + model.memory.reserved_gib if model.memory else 0.0
            if needs >= has:
                yield Problem(
                    where=f"{where}.profile",
                    found=f"`{self.profile}`, where the model `{name}` needs {needs:.1f} GiB without its KV cache",
                    allowed=f"a part with more than {needs:.1f} GiB",
                    remedy="choose a larger part, or a smaller or more quantized model",
                )

    def warnings(self, models: Mapping[str, ModelPlan]) -> Iterator[str]:
        """Its figures are those of a whole one."""
        for name in models:
            yield f"model `{name}`: memory and speed are those of a whole GPU, and it gets a part (`{self.profile}`)"


class TimeSliceSettings(Settings):
    """A GPU that several replicas use in turn, all of them with its whole memory before them."""

    kind: Literal["time_slices"] = Field(
        description="Replicas use one GPU in turn; nothing keeps one's memory from another's."
    )
    replicas: int = Field(
        ge=2, le=16, description="How many share it; on a cluster that exists, as its device plugin has it."
    )
    renamed: bool = Field(
        default=False,
        description="Whether the device plugin calls shared GPUs `….shared` (`renameByDefault`).",
    )

    def node(self, whole: NodeChoice, vendor: str, count: int) -> NodeChoice:
        """The same resource, of which a node has several for each GPU."""
        suffix = ".shared" if self.renamed else ""
        # Several slices of one GPU are no more of it, and a plugin may refuse them.
        resources = dict.fromkeys((f"{name}{suffix}" for name in whole.resources), count)
        return NodeChoice(labels=whole.labels, resources=resources, tolerates=whole.tolerates)

    def problems(self, where: str, models: Mapping[str, ModelPlan]) -> Iterator[Problem]:
        """Models that together take more memory than there is."""
        for name, model in models.items():
            memory = model.memory
            if memory is None:
                continue
            used = memory.weights_gib + memory.kv_cache_gib + memory.reserved_gib
            has = used + memory.free_gib
            if used * self.replicas > has:
                yield Problem(
                    where=f"{where}.replicas",
                    found=f"{self.replicas}, where the model `{name}` takes {used:.1f} GiB of a GPU that has {has:.1f}",
                    allowed=f"up to {int(has / used)}: whoever shares a GPU shares its memory",
                    remedy="lower what its engine takes of the memory (as `gpu_memory_percent`), or share less",
                )

    def warnings(self, models: Mapping[str, ModelPlan]) -> Iterator[str]:
        """Its speed is that of a GPU of its own."""
        for name in models:
            yield f"model `{name}`: its speed is that of a GPU of its own, and {self.replicas} replicas share one"


class ClaimSettings(Settings):
    """Devices that are claimed by what they are (dynamic resource allocation)."""

    kind: Literal["claim"] = Field(
        description="Devices are claimed by what they are (dynamic resource allocation, Kubernetes 1.34 or newer)."
    )
    device_class: str = Field(
        default="gpu.nvidia.com", pattern=DEVICE_CLASS, description="The DeviceClass that the driver has."
    )
    selector: str | None = Field(
        default=None,
        min_length=1,
        max_length=10_240,
        description="A CEL expression that a device must fulfil, such as "
        '`device.attributes["gpu.nvidia.com"].productName == "NVIDIA L40S"`; unset, any of the class.',
    )

    def node(self, whole: NodeChoice, vendor: str, count: int) -> NodeChoice:
        """No resource is counted, and no label chooses: the claim does."""
        del vendor
        claim = GpuClaim(device_class=self.device_class, count=count, selector=self.selector)
        return replace(whole, labels={}, resources={}, claim=claim)

    def problems(self, where: str, models: Mapping[str, ModelPlan]) -> Iterator[Problem]:
        """What a class has is known to its cluster alone."""
        del where, models
        return iter(())

    def warnings(self, models: Mapping[str, ModelPlan]) -> Iterator[str]:
        """Nothing is weaker."""
        del models
        return iter(())


GpuSharing = Annotated[MigSettings | TimeSliceSettings | ClaimSettings, Field(discriminator="kind")]


def accelerator_problems(where: str, names: Iterable[str]) -> Iterator[Problem]:
    """Names of no accelerator, where a map has something for each."""
    for name in names:
        if name not in ACCELERATORS:
            yield Problem(
                where=f"{where}.{name}",
                found=f"`{name}`, which is no accelerator",
                allowed=listing(ACCELERATORS),
                remedy=did_you_mean(name, ACCELERATORS, "name one of these"),
            )


def models_on(models: Mapping[str, ModelPlan], accelerator: str) -> dict[str, ModelPlan]:
    """Those whose replicas have such GPUs."""
    return {
        name: model for name, model in models.items() if model.accelerator and model.accelerator.type == accelerator
    }

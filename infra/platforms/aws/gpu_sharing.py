"""How replicas share GPUs of our own node groups: which machines have room, and what no machine here can do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.catalog.instances import instances
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.engine_pod import memory_gib
from infra.plan.node_pools import Shape, Shapes, machine_for, shape_for
from infra.plan.types import Accelerator, ModelPlan
from infra.platforms.aws.config import AwsSettings, ManagedNodes
from infra.platforms.aws.shapes import SHAPES
from infra.platforms.base import SiteRequest
from infra.platforms.gpu_sharing import (
    ClaimSettings,
    GpuSharing,
    MigSettings,
    TimeSliceSettings,
    accelerator_problems,
    models_on,
)
from infra.problems import Problem, listing

# An engine's pod, as the table of machines has it; and the system's own, its agents' and those of add-ons.
POD_GIB, NODE_GIB = 17, 4


@dataclass(frozen=True, kw_only=True)
class MigGpu:
    """A GPU that is divided into equal parts: what Bottlerocket calls it, and how many parts of a profile it has."""

    name: str
    parts: Mapping[str, int]


_OF_80_GB = {"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2}
# Parts by NVIDIA's MIG user guide, "Supported MIG Profiles"; names, and that a whole machine is divided in one way, by
# Bottlerocket's core kit, sources/nvidia-migmanager (both read 2026-11). Profiles of which a GPU has one share nothing.
MIG_GPUS: Mapping[str, MigGpu] = {
    "A100-40GB": MigGpu(name="a100.40gb", parts={"1g.5gb": 7, "1g.10gb": 4, "2g.10gb": 3, "3g.20gb": 2}),
    "A100-80GB": MigGpu(name="a100.80gb", parts=_OF_80_GB),
    "H100": MigGpu(name="h100.80gb", parts=_OF_80_GB),
    "H200": MigGpu(name="h200.141gb", parts={"1g.18gb": 7, "1g.35gb": 4, "2g.35gb": 3, "3g.71gb": 2}),
    "B200": MigGpu(name="b200.180gb", parts={"1g.23gb": 7, "1g.45gb": 4, "2g.45gb": 3, "3g.90gb": 2}),
}


@dataclass(frozen=True, kw_only=True)
class SharedGpus:
    """Each GPU of a machine is that of so many replicas: of a part each where there is a `profile` of MIG, for the GPU
    that Bottlerocket calls `model`; else in turn."""

    replicas: int
    profile: str | None = None
    model: str | None = None

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        how = f"each has a part of it (`{self.profile}`)" if self.profile else "in turn"
        return f"{self.replicas} replicas on each GPU, {how}"


def shared_gpus(settings: AwsSettings, accelerator: str) -> SharedGpus | None:
    """How GPUs of such machines are shared; None where each is a replica's own."""
    sharing = _sharing(settings).get(accelerator)
    if isinstance(sharing, TimeSliceSettings):
        return SharedGpus(replicas=sharing.replicas)
    if isinstance(sharing, MigSettings) and accelerator in MIG_GPUS:
        gpu = MIG_GPUS[accelerator]
        # What a GPU has not is refused.
        return SharedGpus(replicas=gpu.parts.get(sharing.profile, 1), profile=sharing.profile, model=gpu.name)
    return None


def shared_by(settings: AwsSettings) -> dict[str, int]:
    """How many replicas share a GPU, by accelerator."""
    found = {name: shared_gpus(settings, name) for name in _sharing(settings)}
    return {name: shared.replicas for name, shared in found.items() if shared}


def shapes(settings: AwsSettings) -> Shapes:
    """The machines; where GPUs are shared, those that have memory for all pods that share them."""
    shared = shared_by(settings)
    return {
        accelerator: tuple(_roomy(accelerator, one, shared[accelerator]) for one in each)
        if accelerator in shared
        else each
        for accelerator, each in SHAPES.items()
    }


def machine_of(settings: AwsSettings, accelerator: Accelerator | None) -> tuple[str, float]:
    """The machine that one replica runs on, and the part of it that is its own."""
    return machine_for(accelerator, shapes(settings), settings.processor_instance_type, shared_by(settings))


def sharing_problems(request: SiteRequest, where: str) -> Iterator[Problem]:
    """What machines cannot do, and replicas that do not fit beside one another."""
    settings: AwsSettings = request.settings
    sharing = _sharing(settings)
    yield from accelerator_problems(where, sharing)
    for accelerator, wanted in sharing.items():
        place, models = f"{where}.{accelerator}", models_on(request.models, accelerator)
        impossible = [*_impossible(settings, place, accelerator, wanted)]
        yield from impossible
        if not impossible:
            yield from _whole_problems(accelerator, models)
            yield from _room_problems(settings, place, accelerator, models)
            yield from wanted.problems(place, models)


def sharing_warnings(request: SiteRequest) -> Iterator[str]:
    """What is weaker than with a GPU of one's own."""
    for accelerator, sharing in _sharing(request.settings).items():
        yield from sharing.warnings(models_on(request.models, accelerator))


def _sharing(settings: AwsSettings) -> Mapping[str, GpuSharing]:
    return settings.nodes.sharing if isinstance(settings.nodes, ManagedNodes) else {}


def _roomy(accelerator: str, shape: Shape, replicas: int) -> Shape:
    """The machine with as many of the GPUs that has enough memory, or the most where none has, and costs least."""
    needed = shape.gpus * replicas * POD_GIB + NODE_GIB
    machines = sorted(
        {
            (row.memory_gib, row.price_per_hour or math.inf, row.instance_type)
            for row in instances()
            if (row.cloud, row.gpu, row.gpu_count) == ("aws", accelerator, shape.gpus) and row.memory_gib
        }
    )
    enough = [name for memory, _, name in machines if memory >= needed] or [name for *_, name in machines[-1:]]
    return Shape(name=enough[0], gpus=shape.gpus) if enough else shape


def _impossible(settings: AwsSettings, where: str, accelerator: str, wanted: GpuSharing) -> Iterator[Problem]:
    if isinstance(wanted, ClaimSettings):
        yield Problem(
            where=f"{where}.kind",
            found="`claim`: cluster-autoscaler starts no machine for a claim where a group has none, and the device "
            "plugin of these machines would hand out the same GPUs",
            allowed="`time_slices`, or `mig` with `image: bottlerocket`",
            remedy="write one of these; or bring a cluster with the driver (`platform: {kind: kubernetes}`)",
        )
    elif isinstance(wanted, TimeSliceSettings):
        if wanted.renamed:
            yield Problem(
                where=f"{where}.renamed",
                found="`true`: cluster-autoscaler would wait for `nvidia.com/gpu` of a machine that never offers it",
                allowed="`false` on machines that this site makes",
                remedy="remove it",
            )
    elif accelerator not in MIG_GPUS:
        yield Problem(
            where=f"{where}.kind",
            found=f"`mig` for `{accelerator}`, which no machine here divides into parts",
            allowed=f"`mig` for {listing(MIG_GPUS)}",
            remedy=f"write `{{kind: time_slices, replicas: 2}}`, or remove `{accelerator}` here",
        )
    else:
        if wanted.profile not in (parts := MIG_GPUS[accelerator].parts):
            yield Problem(
                where=f"{where}.profile",
                found=f"`{wanted.profile}`",
                allowed=f"parts of which `{accelerator}` has two or more: {listing(parts)}",
                remedy="choose one of these",
            )
        if isinstance(settings.nodes, ManagedNodes) and settings.nodes.image != "bottlerocket":
            yield Problem(
                where=f"{where}.kind",
                found=f"`mig`, with `image: {settings.nodes.image}`, which does not divide GPUs at its start",
                allowed="`mig` with `image: bottlerocket`, or `time_slices`",
                remedy="write `image: bottlerocket`",
            )


def _whole_problems(accelerator: str, models: Mapping[str, ModelPlan]) -> Iterator[Problem]:
    """Two shares may be of one GPU, so that a replica has one."""
    for name, model in models.items():
        count = model.accelerator.count if model.accelerator else 0
        if count * model.nodes > 1:
            yield Problem(
                where=dotted(DEPLOYMENT_KEY, ("models", name, "accelerator")),
                found=f"{count * model.nodes} × {accelerator}, which are shared",
                allowed="one for a replica: several shares may be of one GPU, and parts of MIG have no NVLink",
                remedy=f"write `accelerator: {{type: {accelerator}}}`, or remove `{accelerator}` from `nodes.sharing`",
            )


def _room_problems(
    settings: AwsSettings, where: str, accelerator: str, models: Mapping[str, ModelPlan]
) -> Iterator[Problem]:
    """The machine's memory: that of GPUs is each way's own affair."""
    shape = shape_for(Accelerator(type=accelerator, count=1), shapes(settings))
    if shape is None:
        return
    has = max((row.memory_gib or 0 for row in instances() if row.instance_type == shape.name), default=0)
    replicas = shape.gpus * shared_by(settings)[accelerator]
    for name, model in models.items():
        needs = memory_gib(model)
        if replicas * needs + NODE_GIB > has:
            yield Problem(
                where=where,
                found=f"{replicas} replicas on `{shape.name}`, which has {has:g} GiB of memory, where each of the "
                f"model `{name}` asks for {needs}",
                allowed=f"up to {int((has - NODE_GIB) // needs)} on one machine",
                remedy="share less, or lower `machine.memory_gibibytes` of the model",
            )

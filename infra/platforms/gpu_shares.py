"""How replicas share GPUs of machines that a cloud makes: how many one GPU serves, which machines have room for them,
and what cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from infra.catalog.instances import instances
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.engine_pod import memory_gib
from infra.plan.node_pools import Shape, Shapes, shape_for
from infra.plan.types import Accelerator, ModelPlan
from infra.platforms.gpu_sharing import (
    ClaimSettings,
    GpuSharing,
    MigSettings,
    TimeSliceSettings,
    accelerator_problems,
    models_on,
)
from infra.problems import Problem, listing

Sharing = Mapping[str, GpuSharing]
Impossible = Callable[[str, str, GpuSharing], Iterator[Problem]]
# An engine's pod, as the table of machines has it; and the system's own, its agents' and those of add-ons.
POD_GIB, NODE_GIB = 17, 4
_OF_80_GB = {"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2}
# Parts by NVIDIA's MIG user guide, "Supported MIG Profiles" (read 2026-11). Profiles of which a GPU has one share
# nothing.
MIG_PARTS: Mapping[str, Mapping[str, int]] = {
    "A100-40GB": {"1g.5gb": 7, "1g.10gb": 4, "2g.10gb": 3, "3g.20gb": 2},
    "A100-80GB": _OF_80_GB,
    "H100": _OF_80_GB,
    "H200": {"1g.18gb": 7, "1g.35gb": 4, "2g.35gb": 3, "3g.71gb": 2},
    "B200": {"1g.23gb": 7, "1g.45gb": 4, "2g.45gb": 3, "3g.90gb": 2},
}


@dataclass(frozen=True, kw_only=True)
class GpuShares:
    """Each GPU of a machine is that of so many replicas: of a part each where there is a `profile` of MIG, else in
    turn."""

    replicas: int
    profile: str | None = None

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        how = f"each has a part of it (`{self.profile}`)" if self.profile else "in turn"
        return f"{self.replicas} replicas on each GPU, {how}"


@dataclass(frozen=True, kw_only=True)
class SharingMachines:
    """Machines of a cloud as the catalogue calls it. `parts` are those that its machines divide GPUs into, `ways` what
    it can do. `listed` is what the catalogue calls machines where it does not call them as the cloud does: these are of
    one size."""

    cloud: str
    shapes: Shapes
    parts: Mapping[str, Mapping[str, int]]
    ways: str
    listed: Mapping[str, str] = field(default_factory=dict[str, str])

    def shares(self, sharing: Sharing, accelerator: str) -> GpuShares | None:
        """None where each GPU is a replica's own."""
        wanted = sharing.get(accelerator)
        if isinstance(wanted, TimeSliceSettings):
            return GpuShares(replicas=wanted.replicas)
        if isinstance(wanted, MigSettings) and accelerator in self.parts:
            # What a GPU has not is refused.
            return GpuShares(replicas=self.parts[accelerator].get(wanted.profile, 1), profile=wanted.profile)
        return None

    def shared_by(self, sharing: Sharing) -> dict[str, int]:
        """How many replicas share a GPU, by accelerator."""
        found = {name: self.shares(sharing, name) for name in sharing}
        return {name: shared.replicas for name, shared in found.items() if shared}

    def roomy(self, sharing: Sharing) -> Shapes:
        """The machines; where GPUs are shared, those that have memory for all pods that share them."""
        shared = self.shared_by(sharing)
        return {
            accelerator: tuple(self._roomy(accelerator, one, shared[accelerator]) for one in each)
            if accelerator in shared
            else each
            for accelerator, each in self.shapes.items()
        }

    def problems(
        self, where: str, sharing: Sharing, models: Mapping[str, ModelPlan], own: Impossible | None = None
    ) -> Iterator[Problem]:
        """What machines cannot do, and replicas that do not fit beside one another. `own` is what a cloud's cannot
        beside that, by where it is said and by accelerator."""
        yield from accelerator_problems(where, sharing)
        for accelerator, wanted in sharing.items():
            place, those = f"{where}.{accelerator}", models_on(models, accelerator)
            impossible = [*self._impossible(place, accelerator, wanted)]
            impossible += own(place, accelerator, wanted) if own else []
            yield from impossible
            if not impossible:
                yield from _whole_problems(accelerator, those)
                yield from self._room_problems(place, accelerator, sharing, those)
                yield from wanted.problems(place, those)

    def _roomy(self, accelerator: str, shape: Shape, replicas: int) -> Shape:
        """The machine with as many of the GPUs that has enough memory, or the most where none has, and costs least."""
        if shape.name in self.listed:
            return shape
        needed = shape.gpus * replicas * POD_GIB + NODE_GIB
        machines = sorted(
            {
                (row.memory_gib, row.price_per_hour or math.inf, row.instance_type)
                for row in instances()
                if (row.cloud, row.gpu, row.gpu_count) == (self.cloud, accelerator, shape.gpus) and row.memory_gib
            }
        )
        enough = [name for memory, _, name in machines if memory >= needed] or [name for *_, name in machines[-1:]]
        return Shape(name=enough[0], gpus=shape.gpus) if enough else shape

    def _impossible(self, where: str, accelerator: str, wanted: GpuSharing) -> Iterator[Problem]:
        if isinstance(wanted, ClaimSettings):
            yield Problem(
                where=f"{where}.kind",
                found="`claim`: cluster-autoscaler starts no machine for a claim where a group has none, and the "
                "device plugin of these machines would hand out the same GPUs",
                allowed=self.ways,
                remedy="write one of these; or bring a cluster with the driver (`platform: {kind: kubernetes}`)",
            )
        elif isinstance(wanted, TimeSliceSettings):
            if wanted.renamed:
                yield Problem(
                    where=f"{where}.renamed",
                    found="`true`: cluster-autoscaler would wait for `nvidia.com/gpu` of a machine that never offers "
                    "it",
                    allowed="`false` on machines that this site makes",
                    remedy="remove it",
                )
        elif accelerator not in self.parts:
            yield Problem(
                where=f"{where}.kind",
                found=f"`mig` for `{accelerator}`, which no machine here divides into parts",
                allowed=f"`mig` for {listing(self.parts)}",
                remedy=f"write `{{kind: time_slices, replicas: 2}}`, or remove `{accelerator}` here",
            )
        elif wanted.profile not in (parts := self.parts[accelerator]):
            yield Problem(
                where=f"{where}.profile",
                found=f"`{wanted.profile}`",
                allowed=f"parts of which `{accelerator}` has two or more: {listing(parts)}",
                remedy="choose one of these",
            )

    def _room_problems(
        self, where: str, accelerator: str, sharing: Sharing, models: Mapping[str, ModelPlan]
    ) -> Iterator[Problem]:
        """The machine's memory: that of GPUs is each way's own affair."""
        shape = shape_for(Accelerator(type=accelerator, count=1), self.roomy(sharing))
        if shape is None:
            return
        name_there = self.listed.get(shape.name, shape.name)
        has = max((row.memory_gib or 0 for row in instances() if row.instance_type == name_there), default=0)
        replicas = shape.gpus * self.shared_by(sharing)[accelerator]
        for name, model in models.items():
            needs = memory_gib(model)
            # Of a machine that nobody has looked up, nobody knows it.
            if has and replicas * needs + NODE_GIB > has:
                yield Problem(
                    where=where,
                    found=f"{replicas} replicas on `{shape.name}`, which has {has:g} GiB of memory, where each of the "
                    f"model `{name}` asks for {needs}",
                    allowed=f"up to {int((has - NODE_GIB) // needs)} on one machine",
                    remedy="share less, or lower `machine.memory_gibibytes` of the model",
                )


def sharing_warnings(sharing: Sharing, models: Mapping[str, ModelPlan]) -> Iterator[str]:
    """What is weaker than with a GPU of one's own."""
    for accelerator, wanted in sharing.items():
        yield from wanted.warnings(models_on(models, accelerator))


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

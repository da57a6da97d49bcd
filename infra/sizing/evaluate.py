"""One shape judged whole: its memory, its speed, and every reason why it is not an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from infra.sizing.performance import ROOFLINE, PerformanceModel
from infra.sizing.pool import memory
from infra.sizing.reject import memory_rejections, notes, shape_rejections, speed_rejections
from infra.sizing.types import Memory, Objective, Performance, Rejection, Shape, Workload


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A shape with what is known of it. `performance` is None where no estimate is worth printing."""

    shape: Shape
    workload: Workload
    memory: Memory
    performance: Performance | None
    rejections: tuple[Rejection, ...]
    notes: tuple[str, ...]


def evaluate(
    shape: Shape,
    workload: Workload,
    estimator: PerformanceModel = ROOFLINE,
    objective: Objective | None = None,
) -> Sized:
    """Judges one shape. What spans machines is judged as one machine of it, and rejected as not modelled."""
    near = one_machine(shape)
    held = memory(near, workload)
    rejections = [*shape_rejections(shape), *memory_rejections(near, held)]
    performance = None
    said = [*notes(shape)]
    refusal = estimator.refusal(near, workload)
    if refusal is not None:
        # Speed alone is missing: what fits was still said.
        said.append(f"not_modelled: {refusal}")
    elif held.weights_gib < near.physical_gib:
        performance = estimator.estimate(near, workload, held)
        if objective is not None:
            alone = estimator.estimate(near, replace(workload, concurrency=1), held)
            rejections.extend(speed_rejections(objective, alone))
    return Sized(
        shape=shape,
        workload=workload,
        memory=held,
        performance=performance,
        rejections=tuple(rejections),
        notes=tuple(said),
    )


def one_machine(shape: Shape) -> Shape:
    """The part of a shape that one machine holds: tensor and expert parallelism are not modelled beyond it."""
    node = shape.gpu.largest_node
    together = shape.gpu_count // shape.pipeline_parallel
    if shape.tensor_parallel <= node and (together <= node or not (shape.expert_parallel and shape.model.experts)):
        return shape
    return replace(shape, gpu_count=node * shape.pipeline_parallel, tensor_parallel=min(shape.tensor_parallel, node))

"""What the product says of one measured row, with given constants."""

from __future__ import annotations

from bench.sizing.rows import Measured
from infra.sizing.constants import Constants
from infra.sizing.evaluate import one_machine
from infra.sizing.performance import output_tokens_per_second, parts
from infra.sizing.pool import memory
from infra.sizing.roofline import Times
from infra.sizing.types import Memory


def predicted(row: Measured, held: Memory, constants: Constants) -> tuple[tuple[float, float], Times]:
    """Time per output token and tokens per second as the product prints them, and the parts they are made of."""
    shape, workload = row.point.shape, row.point.workload
    assert shape is not None
    shape = one_machine(shape)
    batch, part = parts(shape, workload, held, constants)
    return (part.time_per_output_token_ms, output_tokens_per_second(part, workload, batch)), part


def held_memory(row: Measured) -> Memory | None:
    """What the row's shape holds, or None where not even its weights fit a card."""
    shape = row.point.shape
    if shape is None:
        return None
    shape = one_machine(shape)
    held = memory(shape, row.point.workload)
    return held if held.weights_gib < shape.physical_gib else None

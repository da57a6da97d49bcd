"""Fit: the memory of one GPU as a bar, for each model that has one."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.figures import ModelMemory
from infra.plan.types import DeploymentPlan
from infra.report.pictures.svg import CHART_WIDTH, Picture, rect, text
from infra.report.topology import each_on
from infra.report.words import count

MOST_MODELS = 10
PARTS = (("weights", "c1"), ("KV cache", "c2"), ("reserve", "c3"), ("free", "c0"))
BAR, STEP = 26, 104


def fit(plan: DeploymentPlan) -> Iterator[Picture]:
    """One picture with a bar for each of the first models."""
    known = {name: model for name, model in plan.models.items() if model.memory}
    body: list[str] = []
    said: list[str] = []
    top = 0.0
    for name, model in [*known.items()][:MOST_MODELS]:
        memory = model.memory
        if memory is None:
            continue
        body += _bar(top, name, each_on(model), memory)
        parts = ", ".join(f"{part} {gib:.2f}" for (part, _), gib in zip(PARTS, _gib(memory), strict=True))
        said.append(f"{name}: {parts} of {memory.total_gib:.1f} GiB")
        top += STEP
    if (left := len(known) - MOST_MODELS) > 0:
        body.append(text(0, top + 14, f"and {count(left, 'more model')}, listed below", "quiet"))
        top += 34
    if known:
        yield Picture(
            title="Memory of each GPU, in GiB",
            description=". ".join(said) + ".",
            width=CHART_WIDTH,
            height=top - 14,
            body="".join(body),
        )


def _bar(top: float, name: str, where: str, memory: ModelMemory) -> Iterator[str]:
    yield text(0, top + 14, name, "strong", width=CHART_WIDTH * 0.5)
    yield text(CHART_WIDTH, top + 14, f"{memory.total_gib:.1f} GiB, {where}", "quiet small", anchor="end")
    x = 0.0
    for (part, style), gib in zip(PARTS, _gib(memory), strict=True):
        width = CHART_WIDTH * max(0.0, gib) / memory.total_gib
        yield rect(x, top + 24, width - 1.5, BAR, f"fill {style}", title=f"{part}: {gib:.2f} GiB")
        x += width
    # Below, in columns: a part may be too narrow for its own number.
    for index, ((part, style), gib) in enumerate(zip(PARTS, _gib(memory), strict=True)):
        column, y = index * CHART_WIDTH / len(PARTS), top + 24 + BAR
        yield rect(column, y + 9, 9, 9, f"fill {style}", radius=2)
        yield text(column + 14, y + 18, part, "quiet small")
        yield text(column + 14, y + 34, f"{gib:.2f}", "small")


def _gib(memory: ModelMemory) -> tuple[float, ...]:
    return memory.weights_gib, memory.kv_cache_gib, memory.reserved_gib, memory.free_gib

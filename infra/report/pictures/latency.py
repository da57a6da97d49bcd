"""Latency over load: what one replica does with ever more requests at once, for each of the first models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from infra.plan.figures import LoadPoint, ModelPerformance
from infra.plan.types import DeploymentPlan
from infra.report.pictures.chart import Frame
from infra.report.pictures.svg import CHART_WIDTH, Picture, dot, line, path, text

MOST_MODELS = 6
PANEL, STEP = 84, 130


def latency(plan: DeploymentPlan) -> Iterator[Picture]:
    """Three panels over the same load: tokens a second, time per token, time to the first."""
    known = {n: m.performance for n, m in plan.models.items() if m.performance and m.performance.curve}
    for name, speed in [*known.items()][:MOST_MODELS]:
        yield _picture(name, speed)


def _picture(name: str, speed: ModelPerformance) -> Picture:
    curve = speed.curve
    panels: tuple[tuple[str, Callable[[LoadPoint], tuple[float, ...]], str], ...] = (
        ("Output tokens a second", lambda point: (point.output_tokens_per_second,), "s3"),
        ("Time per output token, ms", lambda point: (point.time_per_output_token_ms,), "s1"),
        (
            "Time to first token, ms",
            lambda point: (point.time_to_first_token_ms_low, point.time_to_first_token_ms_high),
            "s2",
        ),
    )
    body: list[str] = []
    for index, (title, values, style) in enumerate(panels):
        body += _panel(28 + index * STEP, title, curve, values, style, speed.running_requests)
    bottom = 28 + (len(panels) - 1) * STEP + PANEL
    frame = Frame(top=0, height=1, most_x=curve[-1].concurrent_requests, most_y=1)
    for load in _labelled(curve, speed.running_requests):
        body.append(text(frame.x(load), bottom + 18, str(load), "quiet small", anchor="middle"))
    body.append(text((frame.left + CHART_WIDTH - frame.right) / 2, bottom + 36, "requests at once", "quiet small",
                     anchor="middle"))  # fmt: skip
    said = [
        f"{point.concurrent_requests} at once: {point.output_tokens_per_second:,.0f} tokens a second, "
        f"{point.time_per_output_token_ms:.1f} ms per token, first token after {point.time_to_first_token_ms_low} to "
        f"{point.time_to_first_token_ms_high} ms"
        for point in curve
        if point.concurrent_requests in (1, speed.running_requests, curve[-1].concurrent_requests)
    ]
    return Picture(
        title=f"{name}: speed of one replica over load",
        description=f"{'; '.join(said)}. Estimated by {speed.estimator}; off by {speed.error_band}.",
        width=CHART_WIDTH,
        height=bottom + 42,
        body="".join(body),
    )


def _panel(
    top: float,
    title: str,
    curve: Sequence[LoadPoint],
    values: Callable[[LoadPoint], tuple[float, ...]],
    style: str,
    running: int,
) -> Iterator[str]:
    most = max(max(values(point)) for point in curve)
    frame = Frame(top=top, height=PANEL, most_x=curve[-1].concurrent_requests, most_y=most)
    yield text(0, top - 12, title, "strong small")
    yield from frame.grid()
    yield line(frame.x(running), top, frame.x(running), top + PANEL, "mark")
    series = [
        [(frame.x(point.concurrent_requests), frame.y(values(point)[which])) for point in curve]
        for which in range(len(values(curve[0])))
    ]
    if len(series) > 1:
        yield path([*series[0], *reversed(series[1])], f"area {style}", closed=True)
    for which, points in enumerate(series):
        yield path(points, f"series {style}")
        for (x, y), point in zip(points, curve, strict=True):
            yield dot(x, y, f"point {style}", f"{point.concurrent_requests} at once: {values(point)[which]:,g}")
    here = next((point for point in curve if point.concurrent_requests == running), None)
    if here:
        shown = " to ".join(f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" for value in values(here))
        yield text(CHART_WIDTH - 12, top - 12, f"{shown} at {running}", "small", anchor="end")


def _labelled(curve: Sequence[LoadPoint], running: int) -> list[int]:
    """The first, the last, where all run, and half of that; none so near another that their labels touch."""
    loads = [point.concurrent_requests for point in curve]
    wanted = [loads[-1], running, loads[0], *(load for load in loads if load * 2 == running)]
    kept: list[int] = []
    for load in wanted:
        if load in loads and all(abs(load - other) / loads[-1] > 0.07 for other in kept):
            kept.append(load)
    return kept

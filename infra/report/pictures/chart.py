"""A chart's frame: what a value is in pixels, a grid with round numbers, and a scale below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.report.pictures.svg import CHART_WIDTH, line, text, ticks


@dataclass(frozen=True, kw_only=True)
class Frame:
    """From `left` to the right edge, from `top` down; values from 0 to `most_x` and to the highest tick."""

    top: float
    height: float
    most_x: float
    most_y: float
    left: float = 52
    right: float = 8
    wanted_ticks: int = 3

    @property
    def ticks(self) -> Sequence[float]:
        return ticks(self.most_y, self.wanted_ticks)

    def x(self, value: float) -> float:
        return self.left + (CHART_WIDTH - self.left - self.right) * value / (self.most_x or 1)

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.ticks[-1])

    def grid(self, prefix: str = "") -> Iterator[str]:
        """Lines with their values on the left."""
        for tick in self.ticks:
            y = self.y(tick)
            yield line(self.left, y, CHART_WIDTH - self.right, y, "grid" if tick else "axis")
            yield text(self.left - 8, y + 4, f"{prefix}{tick:,g}", "quiet small", anchor="end")

"""Panels below each other over one time: their frames, their legends, and the time's own scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from infra.report.pictures.svg import CHARACTER_WIDTH, SMALL, line, rect, text, ticks

WIDTH, LEFT, RIGHT = 760.0, 76.0, 8.0
# Seconds of each unit, and from how many seconds on it is used.
UNITS = (("days", 86_400.0, 3 * 86_400.0), ("hours", 3600.0, 3 * 3600.0), ("minutes", 60.0, 180.0), ("seconds", 1.0, 0))


@dataclass(frozen=True, kw_only=True)
class TimeScale:
    """From the first moment to the last, in seconds since 1970, and a little more: what ends is seen to end."""

    begin: float
    end: float

    @property
    def last(self) -> float:
        return self.begin + max(1.0, (self.end - self.begin) * 1.04)

    def x(self, at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - self.begin) / (self.last - self.begin)

    def axis(self, bottom: float, since: str) -> Iterator[str]:
        """Below all panels."""
        span = self.last - self.begin
        name, seconds = next((name, seconds) for name, seconds, least in UNITS if span >= least)
        for tick in ticks(span / seconds, 6):
            if (x := self.x(self.begin + tick * seconds)) <= WIDTH - RIGHT + 0.5:
                yield line(x, bottom, x, bottom + 4, "axis")
                yield text(x, bottom + 18, f"{tick:g}", "quiet small", anchor="middle")
        yield text((LEFT + WIDTH - RIGHT) / 2, bottom + 36, f"{name} {since}", "quiet small", anchor="middle")


@dataclass(frozen=True, kw_only=True)
class Panel:
    """From `low` at the bottom to `high`. Without a unit, whoever draws in it draws its scale."""

    time: TimeScale
    title: str
    top: float
    height: float
    low: float
    high: float
    unit: str | None = None

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - (value - self.low) / (self.high - self.low))

    def frame(self) -> Iterator[str]:
        """Its name, and lines with their values on the left."""
        yield text(LEFT, self.top - 12, self.title, "strong small")
        for tick in ticks(self.high) if self.unit is not None else ():
            y = self.y(tick)
            yield line(LEFT, y, WIDTH - RIGHT, y, "grid" if tick else "axis")
            yield text(LEFT - 8, y + 4, f"{tick:,g}{self.unit}", "quiet small", anchor="end")

    def legend(self, names: Iterable[tuple[str, str]], limit: str = "") -> Iterator[str]:
        """At the right of its name, from the right edge on."""
        x, y = WIDTH - RIGHT, self.top - 12
        for name, style in [*([(limit, "")] if limit else []), *reversed([*names])]:
            x -= len(name) * SMALL * CHARACTER_WIDTH
            yield text(x, y, name, "quiet small")
            if style:
                yield rect(x - 15, y - 9, 10, 9, f"fill {style}", radius=2)
            else:
                yield line(x - 21, y - 4, x - 5, y - 4, "mark")
            x -= 32

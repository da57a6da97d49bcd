"""The course of a load test in its picture: how many requests came in a second, and how many were answered."""

from typing import Any


def course(record: dict[str, Any], left: float, top: float, width: float, height: float) -> list[str]:
    """Bars of what came, a line of what was answered whole."""
    came, answered = record["course"]["arrivals"], record["course"]["answers"]
    seconds = record["figures"]["seconds"]
    each = seconds / len(came)
    most = 1.12 * max(*came, *answered) / each or 1.0
    step = width / len(came)

    def y(count: float) -> float:
        return top + height * (1 - count / each / most)

    parts = [
        f'<text x="{left:.0f}" y="{top - 16}">Requests/s over time</text>',
        f'<text class="note" x="{left + width:.0f}" y="{top - 16}" text-anchor="end">grey: came, blue: answered</text>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = top + height * (1 - tick)
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{left + width:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(
            f'<text class="note" x="{left - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{tick * most:.3g}</text>'
        )
    for index, count in enumerate(came):
        parts.append(
            f'<rect class="came" x="{left + index * step:.1f}" y="{y(count):.1f}" width="{step - 1:.1f}" '
            f'height="{top + height - y(count):.1f}"/>'
        )
    line = " ".join(f"{left + (index + 0.5) * step:.1f},{y(count):.1f}" for index, count in enumerate(answered))
    parts.append(f'<polyline class="answered" points="{line}"/>')
    for share in (0.0, 0.5, 1.0):
        parts.append(
            f'<text class="note" x="{left + share * width:.1f}" y="{top + height + 18}" '
            f'text-anchor="middle">{share * seconds:.0f}</text>'
        )
    parts.append(
        f'<text class="note" x="{left + width / 2:.1f}" y="{top + height + 38}" text-anchor="middle">seconds</text>'
    )
    return parts

"""Drawings as one SVG file that stands alone; of a plan the topology, and what each site makes in a cloud."""

from __future__ import annotations

from collections.abc import Sequence

from infra.plan.types import DeploymentPlan
from infra.report.headline import headline
from infra.report.pictures import places, topology
from infra.report.pictures.style import PALETTE, PICTURES
from infra.report.pictures.svg import Picture, rect, text, xml
from infra.report.pictures.topology import WIDE

MARGIN, HEADING = 24.0, 34.0
FONT = """svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
.page { fill: var(--page) } svg .heading { font-size: 15px }
"""


def to_svg(plan: DeploymentPlan) -> str:
    """A whole document."""
    drawn = [picture for picture in (*topology(plan), *places(plan)) if picture.width >= WIDE.width]
    return alone(f"{plan.stack}: {headline(plan)}", drawn)


def alone(title: str, drawn: Sequence[Picture]) -> str:
    """Below each other, with a background of its own: it is read on any page, light or dark."""
    width = max(picture.width for picture in drawn) + 2 * MARGIN
    y, body = MARGIN, list[str]()
    for picture in drawn:
        body.append(text(MARGIN, y + 16, picture.title, "strong heading"))
        y += HEADING
        body.append(f'<g transform="translate({MARGIN:g} {y:g})">{picture.body}</g>')
        y += picture.height + MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title description" '
            f'width="{width:g}" height="{y:g}" viewBox="0 0 {width:g} {y:g}">',
            f'<title id="title">{xml(title)}</title>',
            f'<desc id="description">{xml(" ".join(map(_told, drawn)))}</desc>',
            f"<style>{PALETTE}{PICTURES}{FONT}</style>",
            rect(0, 0, width, y, "page", radius=12),
            *body,
            "</svg>",
        )
    )


def _told(picture: Picture) -> str:
    return f"{picture.title}: {picture.description}"

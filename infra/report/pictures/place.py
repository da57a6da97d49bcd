"""What a site makes in a cloud: zones as columns, layers of the network as rows, what lies over all zones as bars.

Drawn twice, for wide and for narrow pages: the page shows the one that fits.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.place_map import Layer, Part, PlaceMap
from infra.plan.types import DeploymentPlan
from infra.report.pictures.box import box
from infra.report.pictures.svg import Picture, arrow, rect, text
from infra.report.words import some

MOST_SITES = 4
WIDE, NARROW, ASIDE = 1040.0, 360.0, 236.0
BOX, GAP, HEADER, PADDING, CELL = 56.0, 10.0, 42.0, 14.0, 46.0


def places(plan: DeploymentPlan) -> Iterator[Picture]:
    """The first sites whose platform says what they make there, each wide and narrow."""
    found = {name: getattr(site.details, "place_map", None) for name, site in plan.sites.items()}
    shown = [(name, one) for name, one in found.items() if isinstance(one, PlaceMap)]
    for name, one in shown[:MOST_SITES]:
        stands_by = [link.source for link in plan.links if link.target == name and link.reason == "standby"]
        title = f"What {name} makes in {one.region}{f', standby for {some(stands_by)}' if stands_by else ''}"
        for kind, draw in (("wide", _wide), ("narrow", _narrow)):
            width = WIDE if kind == "wide" else NARROW
            body, height = draw(one)
            yield Picture(
                title=title, description=_words(one), width=width, height=height, body="".join(body), kind=kind
            )


def _wide(one: PlaceMap) -> tuple[list[str], float]:
    inner = WIDE - ASIDE - 3 * PADDING
    left, top = PADDING, HEADER + BOX + 26
    x, width = left + PADDING, inner - 2 * PADDING
    each = (width - GAP * (len(one.zones) - 1)) / max(1, len(one.zones))
    body: list[str] = [*_box(left, HEADER, inner, one.names)]
    body.append(arrow([(left + inner / 2, HEADER + BOX), (left + inner / 2, top - 2)], ""))
    y = top + 34
    columns: list[str] = []
    for place, zone in enumerate(one.zones):
        columns.append(text(x + place * (each + GAP) + 12, y + 8, zone, "quiet small"))
    y += 18 if one.zones else 0
    for layer in one.layers:
        above = CELL if layer.cells else 0
        height = above + len(layer.over) * (BOX + GAP) + (4 if layer.over and layer.cells else -GAP * bool(layer.over))
        for place, cell in enumerate(layer.cells):
            at = x + place * (each + GAP)
            columns.append(rect(at, y, each, height, "more lane", radius=8))
            columns.append(text(at + 12, y + 19, cell.title, "strong small", width=each - 20))
            columns.append(text(at + 12, y + 36, cell.detail, "quiet small", width=each - 20))
        for place, part in enumerate(layer.over):
            columns += _box(x + 10, y + above + place * (BOX + GAP), width - 20, part)
        y += height + GAP
    bottom = y + 4
    aside = WIDE - ASIDE - PADDING
    lowest = HEADER
    for place, part in enumerate(one.beside):
        at = HEADER + place * (BOX + GAP)
        columns += _box(aside, at, ASIDE, part)
        lowest = at + BOX
    height = max(bottom, lowest) + PADDING
    network = [rect(left, top, inner, bottom - top, "lane", radius=10)]
    network.append(text(x, top + 22, one.network, "strong", width=width))
    frame = [rect(1, 1, WIDE - 2, height - 2, "lane", radius=12), text(left, 27, one.region, "strong")]
    frame.append(text(aside, 27, "beside the network", "quiet small"))
    return [*frame, *network, *body, *columns], height


def _narrow(one: PlaceMap) -> tuple[list[str], float]:
    inner, x = NARROW - 2 * PADDING, PADDING
    body: list[str] = [*_box(x, HEADER, inner, one.names)]
    y = HEADER + BOX + GAP + 14
    body.append(text(x, y, one.network, "strong", width=inner))
    y += 12
    for layer in one.layers:
        height = 12 + len(layer.cells) * 18 + len(layer.over) * (BOX + GAP) + 6
        body.append(rect(x, y, inner, height, "more lane", radius=8))
        for place, cell in enumerate(layer.cells):
            body.append(text(x + 12, y + 22 + place * 18, cell.title, "small", width=90))
            body.append(text(x + 104, y + 22 + place * 18, cell.detail, "quiet small", width=inner - 112))
        at = y + 16 + len(layer.cells) * 18
        for place, part in enumerate(layer.over):
            body += _box(x + 10, at + place * (BOX + GAP), inner - 20, part)
        y += height + GAP
    y += 16
    body.append(text(x, y, "beside the network", "quiet small"))
    y += 10
    for part in one.beside:
        body += _box(x, y, inner, part)
        y += BOX + GAP
    height = y + PADDING - GAP
    return [rect(1, 1, NARROW - 2, height - 2, "lane", radius=12), text(x, 27, one.region, "strong"), *body], height


def _box(x: float, y: float, width: float, part: Part) -> Iterator[str]:
    return box(x, y, width, BOX, part.title, part.detail, part.kind)


def _words(one: PlaceMap) -> str:
    where = f" in {', '.join(one.zones)}" if one.zones else ""
    said = [f"{one.names.title}, {one.names.detail}, leads to {one.network}{where}"]
    said += [_layer(layer) for layer in one.layers]
    said.append(f"Beside the network: {'; '.join(f'{part.title}, {part.detail}' for part in one.beside)}")
    return f"{'. '.join(said)}."


def _layer(layer: Layer) -> str:
    over = "; ".join(f"{part.title}: {part.detail}" for part in layer.over)
    cells = ", ".join(f"{cell.title} ({cell.detail})" for cell in layer.cells)
    return f"In {cells}: {over or 'nothing'}" if cells else over

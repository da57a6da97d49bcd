"""The topology: clients, front doors, gateways and models with their GPUs, site by site, and the ways between sites.

Drawn twice, for wide and for narrow pages: the page shows the one that fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from infra.plan.types import DeploymentPlan, Replicas, SitePlan
from infra.report.pictures.box import box, room_for
from infra.report.pictures.svg import Picture, arrow, path, rect, text
from infra.report.places import placed
from infra.report.topology import boundary, each_on, entrances, gateways_text, most_models, shown_sites, zones
from infra.report.words import count, some

MOST_SITES, MOST_SQUARES = 6, 16
BOX, GAP, HEADER, PADDING, FOOTER = 62, 12, 46, 16, 24
DOOR, MOST_DOOR, GATEWAY, BETWEEN, CLIENTS = 240.0, 330.0, 176.0, 28.0, 140


@dataclass(frozen=True, kw_only=True)
class Form:
    """How much room there is. `x` is where sites begin; `beside`: front door, gateway and models in a row."""

    kind: str
    width: float
    x: float
    right: float
    beside: bool

    @property
    def inner(self) -> float:
        return self.width - self.x - self.right


WIDE = Form(kind="wide", width=1040, x=188, right=44, beside=True)
NARROW = Form(kind="narrow", width=360, x=26, right=26, beside=False)


def topology(plan: DeploymentPlan) -> Iterator[Picture]:
    """The same, wide and narrow."""
    for form in (WIDE, NARROW):
        # The right margin is for ways between sites.
        yield _picture(plan, form if plan.links else replace(form, right=1))


def _picture(plan: DeploymentPlan, form: Form) -> Picture:
    names = shown_sites(plan, MOST_SITES)
    body: list[str] = []
    top = 0.0 if form.beside else BOX + 34.0
    tops: dict[str, float] = {}
    for name in names:
        tops[name] = top
        body += _site(plan, name, form, top)
        top += _height(plan, name, form) + 18
    if left := len(plan.sites) - len(names):
        body.append(rect(form.x, top, form.inner, 40, "lane more", radius=10))
        body.append(text(form.x + PADDING, top + 25, f"and {count(left, 'more site')}, listed below", "quiet"))
        top += 58
    body += _clients(plan, form, {name: tops[name] for name in names if name in entrances(plan)})
    body += _ways(plan, form, tops)
    return Picture(
        title=f"Topology: {plan.topology}",
        description=_words(plan, names),
        width=form.width,
        height=top - 17,
        body="".join(body),
        kind=form.kind,
    )


def _height(plan: DeploymentPlan, name: str, form: Form) -> float:
    site = plan.sites[name]
    boxes = len([*_model_boxes(plan, site)]) + (0 if form.beside else 2)
    arrived = any(link.target == name for link in plan.links)
    return HEADER + boxes * (BOX + GAP) - GAP + PADDING + (FOOTER if arrived else 0) + (0 if form.beside else 20)


def _site(plan: DeploymentPlan, name: str, form: Form, top: float) -> Iterator[str]:
    site = plan.sites[name]
    yield rect(form.x, top, form.inner, _height(plan, name, form), "lane", radius=12)
    yield text(form.x + PADDING, top + 28, name, "strong", width=form.inner * 0.35)
    where = ", ".join((site.platform.replace("_", " "), *(zones(site) if form.beside else ())))
    if len(plan.sites) > 1:
        where = f"{'boundary ' if form.beside else ''}{boundary(site)}; {where}"
    right = form.x + form.inner - PADDING
    yield text(right, top + 28, where, "quiet small", anchor="end", width=form.inner * 0.6)
    x, y, width = form.x + PADDING, top + HEADER, form.inner - 2 * PADDING
    door = site.security.get("front door", "straight to the gateway")
    records = "keys, limits, audit" if "audit" in site.details.gateway_config else "keys, limits"
    boxes = [*_model_boxes(plan, site)]
    if form.beside:
        gap, second = BETWEEN, GATEWAY
        # All doors below each other are as wide as the longest name asks.
        first = min(MOST_DOOR, max(DOOR, *(room_for(one.endpoint) for one in plan.sites.values())))
        third = width - first - second - 2 * gap
        yield from _box(x, y, first, site.endpoint, door, "door")
        yield from _box(x + first + gap, y, second, gateways_text(site), records, "gateway")
        middle = y + BOX / 2
        yield arrow([(x + first, middle), (x + first + gap - 3, middle)], "")
        begin = x + first + gap + second
        for index, (title, detail, replicas) in enumerate(boxes):
            at = y + index * (BOX + GAP)
            yield from _box(begin + gap, at, third, title, detail, "model", replicas)
            corner = begin + gap / 2
            way = [(begin, middle), (corner, middle), (corner, at + BOX / 2), (begin + gap - 3, at + BOX / 2)]
            yield arrow(way if index else [way[0], way[-1]], "")
    else:
        yield from _box(x, y, width, site.endpoint, door, "door")
        yield arrow([(x + width / 2, y + BOX), (x + width / 2, y + BOX + 18)], "")
        y += BOX + 20
        yield from _box(x, y, width, gateways_text(site), records, "gateway")
        yield arrow([(x + width / 2, y + BOX), (x + width / 2, y + BOX + 18)], "")
        y += BOX + 20
        for index, (title, detail, replicas) in enumerate(boxes):
            yield from _box(x, y + index * (BOX + GAP), width, title, detail, "model", replicas)
    if arriving := _arriving(plan, name):
        yield text(form.x + form.inner - PADDING, top + _height(plan, name, form) - 13, arriving, "quiet small",
                   anchor="end", width=form.inner - 2 * PADDING)  # fmt: skip


def _model_boxes(plan: DeploymentPlan, site: SitePlan) -> Iterator[tuple[str, str, Replicas]]:
    most = most_models(plan)
    for name in site.models[:most]:
        model = plan.models[name]
        detail = f"{model.engine}, {each_on(model)}{' each' if model.accelerator else ''}"
        yield placed(name, site), detail, site.replicas[name]
    if (left := len(site.models) - most) > 0:
        yield count(left, "more model"), "listed below", Replicas(min=0, max=0)
    if not site.models:
        yield "no model here", "passes requests on", Replicas(min=0, max=0)


def _box(
    x: float, y: float, width: float, title: str, detail: str, style: str, replicas: Replicas | None = None
) -> Iterator[str]:
    squares = min(replicas.max, MOST_SQUARES) if replicas and replicas.max > 1 else 0
    # Squares share the second line with its words where there is room for both.
    yield from box(x, y, width, BOX, title, detail, style, beside=squares * 10 + 8 if squares else 0)
    for index in range(squares):
        filled = "on" if replicas and index < replicas.min else "off"
        yield rect(x + width - 12 - (squares - index) * 10, y + 36, 7, 7, f"replica {filled}", radius=1.5)


def _clients(plan: DeploymentPlan, form: Form, doors: Mapping[str, float]) -> Iterator[str]:
    named, detail = count(plan.clients, "client"), some(plan.clients, 2)
    middles = [top + HEADER + BOX / 2 for top in doors.values()]
    if form.beside:
        y = (middles[0] - BOX / 2) if middles else 0
        yield from _box(1, y, CLIENTS, named, detail, "clients")
        corner, begin = form.x - 24, (1 + CLIENTS, y + BOX / 2)
    else:
        yield from _box(form.x, 1, form.inner, named, detail, "clients")
        corner, begin = 10, (form.x, BOX / 2)
    for middle in middles:
        way = [begin, (corner, begin[1]), (corner, middle), (form.x + PADDING - 3, middle)]
        yield arrow(way if middle != begin[1] else [way[0], way[-1]], "")
        # The next goes on from there: what lies on another is as thick as two.
        begin = (corner, middle)


def _ways(plan: DeploymentPlan, form: Form, tops: Mapping[str, float]) -> Iterator[str]:
    """Along the right edge, one way for each target and reason."""
    gathered: dict[tuple[str, str], list[str]] = {}
    for link in plan.links:
        if link.source in tops and link.target in tops:
            gathered.setdefault((link.target, link.reason), []).append(link.source)
    edge = form.width - form.right
    for index, ((target, reason), sources) in enumerate(gathered.items()):
        # Beyond what the margin holds, ways lie on each other: each ends at its own target all the same.
        x = edge + 12 + (index % 3) * (form.right - 16) / 3
        end = tops[target] + _height(plan, target, form) - FOOTER / 2 - 5
        starts = sorted(tops[source] + HEADER / 2 + 4 for source in sources)
        for start in starts:
            # Whoever begins between another and the target joins its way.
            if start in (starts[0] if starts[0] < end else end, starts[-1] if starts[-1] > end else end):
                yield arrow([(edge, start), (x, start), (x, end), (edge + 1, end)], f"link {reason}")
            else:
                yield path([(edge, start), (x, start)], f"way link {reason}")


def _arriving(plan: DeploymentPlan, name: str) -> str:
    """From where requests come, why, and whose."""
    sources: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for link in plan.links:
        if link.target == name:
            sources.setdefault((link.reason, link.clients), []).append(link.source)
    return "; ".join(
        f"{reason} for {some(places, 3)}: requests of {some(clients, 3) or 'nobody'}"
        for (reason, clients), places in sources.items()
    )


def _words(plan: DeploymentPlan, names: list[str]) -> str:
    said = [
        f"{name} ({plan.sites[name].platform}): {gateways_text(plan.sites[name])} in front of "
        f"{some(placed(model, plan.sites[name]) for model in plan.sites[name].models) or 'no model'}"
        for name in names
    ]
    said += [f"{name}: {arriving}" for name in names if (arriving := _arriving(plan, name))]
    if left := len(plan.sites) - len(names):
        said.append(f"and {count(left, 'more site')}")
    return f"{count(plan.clients, 'client')} call {some(sorted(entrances(plan)))}. {'. '.join(said)}."

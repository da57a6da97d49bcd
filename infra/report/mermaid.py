"""The topology as a Mermaid diagram: clients, gateways and models of each site, and the ways between sites."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.plan.types import DeploymentPlan
from infra.report.places import placed
from infra.report.topology import each_on, entrances, gateways_text, most_models, shown_sites
from infra.report.words import count

MOST_SITES = 6
# Anything else could end a label or begin a directive.
_OTHER = re.compile(r"[^A-Za-z0-9 .,:/×·_-]")


def diagram(plan: DeploymentPlan) -> str:
    """Without the fence."""
    return "\n".join(_lines(plan))


def _lines(plan: DeploymentPlan) -> Iterator[str]:
    shown = shown_sites(plan, MOST_SITES)
    ids = {name: f"s{number}" for number, name in enumerate(shown)}
    yield "flowchart LR"
    yield f'  clients(["{label(count(plan.clients, "client"))}"])'
    for name in shown:
        yield from _site(ids[name], name, plan)
    if left := len(plan.sites) - len(shown):
        yield f'  more["and {label(count(left, "more site"))}"]'
    for name in shown:
        if name in entrances(plan):
            yield f"  clients --> {ids[name]}f"
    for link in plan.links:
        if link.source in ids and link.target in ids:
            yield f'  {ids[link.source]}g -. "{label(link.reason)}" .-> {ids[link.target]}g'


def _site(own: str, name: str, plan: DeploymentPlan) -> Iterator[str]:
    site = plan.sites[name]
    yield f'  subgraph {own}["{label(f"{name} · {site.platform}")}"]'
    yield f'    {own}f["{label(site.endpoint)}"] --> {own}g["{label(gateways_text(site))}"]'
    for number, model in enumerate(site.models[: most_models(plan)]):
        words = f"{label(placed(model, site))}<br/>{label(each_on(plan.models[model]))}"
        yield f'    {own}g --> {own}m{number}(["{words}"])'
    if (left := len(site.models) - most_models(plan)) > 0:
        yield f'    {own}g --> {own}m(["and {label(count(left, "more model"))}"])'
    yield "  end"


def label(text: str) -> str:
    """Text inside a quoted label, where Mermaid reads `#35;` as the character with that number."""
    return _OTHER.sub(lambda found: f"#{ord(found[0])};" if found[0].isprintable() else " ", text)

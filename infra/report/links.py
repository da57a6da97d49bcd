"""Between sites: which requests go from one to another, when, what that may cost, and which data may cross."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.link_types import Crossing, Overflow, SiteLink
from infra.plan.types import DeploymentPlan
from infra.report.section import Row, Section, Table
from infra.report.words import some

_AS_IT_IS = "as it is"
_PERSONAL = {
    "off": _AS_IT_IS,
    "tokenise": "personal data as placeholders",
    "mask": "personal data taken out",
    "block": "refused with personal data in it",
}


def links(plan: DeploymentPlan) -> Section | None:
    """One row for each way, and for each class of data on it."""
    if not plan.links:
        return None
    header = ("from", "to", "why", "models", "clients whose data may go there")
    rows = [
        (link.source, link.target, link.reason, some(link.models), some(link.clients) or "none") for link in plan.links
    ]
    tables = [Table(header=header, rows=rows)]
    # A thousand sites that are alike say the same of the same place once.
    said = dict.fromkeys(row for link in plan.links for row in _crossings(link))
    if said:
        tables.append(Table(title="Which data may cross", header=("data", "clients", "from", "to", "it"), rows=[*said]))
    lines = [*_secured(plan.links)]
    lines += [line for link in plan.links if link.overflow for line in _rule(link, link.overflow)]
    return Section(name="links", title="Between sites", tables=tuple(tables), lines=tuple(lines))


def _crossings(link: SiteLink) -> Iterator[Row]:
    here, there = link.boundaries
    for crossing in link.crossings:
        if here != there:
            yield crossing.data_class or "of no class", some(crossing.clients), here, there, _what(crossing)


def _what(crossing: Crossing) -> str:
    if not crossing.crosses:
        return "stays"
    first, *others = crossing.personal_data.split(", ")
    otherwise = f"; some kinds {' or '.join(_PERSONAL[mode].removeprefix('personal data ') for mode in others)}"
    return f"crosses, {_PERSONAL[first]}{otherwise if others else ''}"


def _secured(links: tuple[SiteLink, ...]) -> Iterator[str]:
    """One line for all ways to a site that are alike."""
    sources: dict[tuple[str, str | None, bool], list[str]] = {}
    for link in links:
        if link.over or link.shows_certificate:
            sources.setdefault((link.target, link.over, link.shows_certificate), []).append(link.source)
    for (target, over, shows), of in sources.items():
        both = ", both sides show certificates" if shows else ""
        yield f"{some(of)} to {target}: with TLS{both}{f', over {over}' if over else ''}"


def _rule(link: SiteLink, rule: Overflow) -> Iterator[str]:
    way = f"{link.source} to {link.target}"
    full = (
        f"from {rule.busy_percent} % of its concurrent requests until below {rule.return_percent} %"
        if rule.busy_percent < 100
        else f"when it is full, until below {rule.return_percent} %"
    )
    cache = rule.kv_cache_percent
    kv = f"; from {cache} % of its engines' KV caches, where they say it" if cache else ""
    waits = f"; one without a place waits {rule.wait_seconds:g} s first" if rule.wait_seconds else ""
    yield f"{way}: {full}{kv}{waits}; as client {rule.client} there"
    if rule.dollars_per_day is None:
        yield f"{way}: no limit on what it costs in a day"
        return
    for model, price in rule.prices.items():
        tokens = (
            f"${price.input_dollars_per_million_tokens:,.3f} for a million tokens of prompts, "
            f"${price.output_dollars_per_million_tokens:,.3f} of answers"
        )
        by = "the model's price" if price.by == "price" else price.by
        yield f"{way}: model {model} at {tokens} ({by})"
    yield f"{way}: at most ${rule.dollars_per_day:,.2f} a day (UTC) by these, then requests stay"

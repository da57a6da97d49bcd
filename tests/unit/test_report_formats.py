"""Every format tells the same, escapes what users wrote, and stays short enough for where it is shown."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.plan.__main__ import PLATFORMS, deployment
from infra.load import load_file, validate
from infra.plan.build import build_plan
from infra.plan.types import DeploymentPlan
from infra.report import FORMATS, to_text
from infra.report.html import to_html
from infra.report.markdown import to_markdown
from infra.report.mermaid import diagram
from infra.report.section import Depth
from infra.report.sections import SECTIONS, sections
from tests.config.corpus import HAPPY, load_and_plan

ROOT = Path(__file__).resolve().parents[2]
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
HOSTILE = 'x|y`z`\\|<img src="https://evil.example/a.png" onerror=alert(1)>"\'&amp;@octocat #1 **b** ]](javascript:a)'


def planned(stack: str) -> DeploymentPlan:
    return build_plan(load_file(ROOT / f"Pulumi.{stack}.yaml"), stack)


def large() -> DeploymentPlan:
    return build_plan(validate(deployment(200, 1000, PLATFORMS["kubernetes"]), "the stack", {}), "large")


def page(plan: DeploymentPlan) -> ElementTree.Element:
    """The page, parsed strictly: every element is closed, every character is escaped."""
    return ElementTree.fromstring(to_html(plan))


def shown_in_html(plan: DeploymentPlan) -> str:
    return " ".join("".join(page(plan).itertext()).split())


def unmarked(markdown: str) -> str:
    """Markdown as a reader sees it, without its diagram."""
    text = re.sub(r"```mermaid.*?```", "", markdown, flags=re.DOTALL)
    text = re.sub(r"<!-- -->|</?(details|summary|sub|code)>|`", "", text)
    return html.unescape(re.sub(r"\\([\\`*_\[\]~$])", r"\1", text))


def facts(plan: DeploymentPlan) -> Iterator[str]:
    """What a reader must find, straight from the plan."""
    yield plan.stack
    yield plan.topology
    for name, site in plan.sites.items():
        yield from (name, site.platform, site.endpoint, *site.summary.values(), *site.security.values())
    for link in plan.links:
        yield from (link.source, link.target, link.reason)
    for name, model in plan.models.items():
        yield from (name, model.engine, model.weights.location, f"{model.context_tokens} tokens")
        yield from (str(model.drain.engine_shutdown_seconds), str(model.drain.process_group_grace_seconds))
        if model.memory:
            held = model.memory
            sizes = (held.weights_gib, held.kv_cache_gib, held.reserved_gib, held.free_gib)
            yield from (f"{gib:.2f}" for gib in sizes)
        if model.performance:
            speed = model.performance
            yield from (f"{speed.requests_per_second:.3g}", f"{speed.time_per_output_token_ms:.1f}")
            yield f"{speed.time_to_first_token_ms_low} to {speed.time_to_first_token_ms_high}"
            yield speed.error_band
        if model.cold_start:
            yield f"{model.cold_start.total_seconds_low:.0f} to {model.cold_start.total_seconds:.0f}"
        if model.price:
            yield f"${model.price.dollars_per_million_input_tokens:.3f}"
            yield f"${model.price.dollars_per_million_output_tokens:.2f}"
    if plan.price:
        yield from (line.item for line in plan.price.lines)
        for dollars in (plan.price.dollars_per_hour, plan.price.dollars_per_month):
            yield from (f"{amount:,.2f}".removesuffix(".00") for amount in (dollars.min, dollars.max))
    yield from plan.clients
    yield from (warning.replace("`", "") for warning in plan.warnings)


@pytest.mark.parametrize("stack", STACKS)
def test_every_format_has_every_fact(stack: str) -> None:
    plan = planned(stack)
    shown = {
        "text": to_text(plan).replace("`", ""),
        "markdown": unmarked(to_markdown(plan)),
        "html": shown_in_html(plan),
    }
    wanted = list(facts(plan))
    assert len(wanted) > 12
    assert {form: [fact for fact in wanted if fact not in text] for form, text in shown.items()} == {
        form: [] for form in shown
    }


@pytest.mark.parametrize("path", HAPPY, ids=lambda path: path.name.partition(".")[0])
def test_every_cell_of_every_section_is_in_markdown_and_html(path: Path) -> None:
    plan = load_and_plan(path)
    markdown, page_text, text = unmarked(to_markdown(plan)), shown_in_html(plan), to_text(plan).replace("`", "")
    for section in sections(plan):
        cells = [cell for table in section.tables for row in table.rows for cell in row]
        wanted = {" ".join(said.replace("`", "").split()) for said in (*cells, *section.lines)}
        assert {words for words in wanted if words[:200] not in markdown} == set()
        assert {words for words in wanted if words not in page_text} == set()
        if section.depth < Depth.LONGEST:
            assert {words for words in wanted if words not in text} == set()


def test_a_cold_start_is_told_and_drawn() -> None:
    plan = planned("prod")
    start = plan.models["chat"].cold_start
    assert start
    span = f"{start.total_seconds_low:.0f} to {start.total_seconds:.0f}"
    for shown in (to_text(plan), unmarked(to_markdown(plan)), shown_in_html(plan)):
        assert span in shown
        assert start.reason in shown
    assert f"Cold start of chat: {span} s" in shown_in_html(plan)
    unknown = replace(plan, models={"chat": replace(plan.models["chat"], cold_start=None)})
    assert "cold start" not in to_text(unknown).lower()
    assert "Cold start" not in shown_in_html(unknown)


def hostile() -> DeploymentPlan:
    """A plan with the worst wherever a user's words may be, and where no configuration lets them."""
    plan = planned("prod")
    name = HOSTILE
    (site, standby), (model,) = (
        [replace(s, endpoint=name, models=(name,)) for s in plan.sites.values()],
        [replace(m, weights=replace(m.weights, location=name, file=name), engine=name) for m in plan.models.values()],
    )
    sites = {
        f"{key}{name}": replace(
            s, replicas={name: model.replicas}, summary={name: name}, security={name: name, "front door": name}
        )
        for key, s in (("a", site), ("b", standby))
    }
    first, second = sites
    lines = plan.price and tuple(
        replace(line, site=name, what="`<img src=1>a|b\\|c`", item=name) for line in plan.price.lines
    )
    return replace(
        plan,
        stack=name,
        topology=name,
        sites=sites,
        links=(replace(plan.links[0], source=first, target=second, reason=name, models=(name,), clients=(name,)),),
        models={name: model},
        clients={name: replace(plan.clients["web"], models=(name,))},
        price=plan.price and replace(plan.price, lines=lines or ()),
        weakenings=(name,),
        warnings=(name, f"x\n\n# heading\n- item {name}", "`<img src=1>|a\\|b @octocat` \x08\x1b[31m red"),
    )


ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "div", "header", "p", "h1", "h2", "h3", "dl", "dt", "dd"),
    *("nav", "a", "main", "section", "ul", "li", "span", "code", "figure", "figcaption", "svg", "desc", "rect", "text"),
    *("line", "path", "circle", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "footer"),
}


def test_nothing_of_a_user_becomes_part_of_the_page() -> None:
    root = page(hostile())
    assert {element.tag for element in root.iter()} <= ELEMENTS
    for element in root.iter():
        assert not [name for name in element.attrib if name.startswith("on") or name in ("src", "style", "srcset")]
        assert element.get("href", "#").startswith("#")
    # All of it is there, as words.
    assert 'src="https://evil.example/a.png" onerror=alert(1)>' in " ".join(root.itertext())


def test_nothing_of_a_user_breaks_a_table_mentions_anybody_or_brings_html_into_markdown() -> None:
    text = to_markdown(hostile())
    outside = re.sub(r"```mermaid.*?```", "", text, flags=re.DOTALL)
    tags = set(re.findall(r"<[^>]*>", re.sub(r"(?<!`)`[^`\n]+`(?!`)", "", outside)))
    assert tags <= {"<!-- -->"} | {
        f"<{end}{tag}>" for tag in ("details", "summary", "sub", "code") for end in ("", "/")
    }
    # In code GitHub mentions nobody; elsewhere something must stand between the sign and the name.
    bare = re.sub(r"(?<!`)`[^`\n]+`(?!`)", "", outside)
    assert not re.search(r"@octocat", re.sub(r"<code>.*?</code>", "", bare))
    assert not re.search(r"(?<!&)#1\b", re.sub(r"<code>.*?</code>", "", bare))
    assert text.isprintable() or all(c.isprintable() or c == "\n" for c in text)
    blocks = [block for block in outside.split("\n\n") if block.startswith("|")]
    assert len(blocks) > 10
    for block in blocks:
        bars = {re.sub(r"\\.", "", line).count("|") for line in block.splitlines()}
        assert len(bars) == 1, block
    assert "\n# " not in text


def test_nothing_of_a_user_ends_a_label_or_gives_mermaid_an_order() -> None:
    drawn = diagram(hostile())
    form = re.compile(
        r"  (  )?((subgraph )?\w+(\[\"[^\"]*\"\]|\(\[\"[^\"]*\"\]\))?( (-->|-\. \"[^\"]*\" \.->) \w+"
        r"(\[\"[^\"]*\"\]|\(\[\"[^\"]*\"\]\))?)?)|flowchart LR|  end"
    )
    assert [line for line in drawn.splitlines() if not form.fullmatch(line)] == []
    assert not set(drawn) & set("`<>&@\\") - set("<>")
    assert set(re.findall(r"<[^>]*>", drawn)) <= {"<br/>"}
    assert "#64;octocat" in drawn


@pytest.mark.parametrize("stack", STACKS)
def test_the_page_loads_nothing_and_runs_nothing(stack: str) -> None:
    plan = planned(stack)
    root = page(plan)
    policy = [meta.get("content") for meta in root.iter("meta") if meta.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]
    assert not [*root.iter("script"), *root.iter("link"), *root.iter("img"), *root.iter("iframe"), *root.iter("image")]
    style = "".join(element.text or "" for element in root.iter("style"))
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("stack", STACKS)
def test_every_picture_says_in_words_what_it_shows(stack: str) -> None:
    root = page(planned(stack))
    named = {element.get("id"): element for element in root.iter() if element.get("id")}
    assert len(named) == len([element for element in root.iter() if element.get("id")]), "an id is there twice"
    pictures = [*root.iter("svg")]
    assert len(pictures) >= 3
    for picture in pictures:
        assert picture.get("role") == "img"
        title, description = (named[each] for each in (picture.get("aria-labelledby") or "").split())
        assert (title.tag, description.tag) == ("title", "desc")
        assert title.text
        assert len(description.text or "") > 20
    for link in root.iter("a"):
        assert (link.get("href") or "")[1:] in named


def test_the_numbers_of_pictures_are_written_out() -> None:
    plan = planned("prod")
    model = plan.models["chat"]
    drawn = " ".join(" ".join(svg.itertext()) for svg in page(plan).iter("svg"))
    assert model.memory
    assert model.performance
    assert plan.price
    for gib in (model.memory.weights_gib, model.memory.kv_cache_gib, model.memory.free_gib):
        assert f"{gib:.2f}" in drawn
    for dollars in (plan.price.dollars_per_month.min, plan.price.dollars_per_month.max):
        assert f"${dollars:,.0f}" in drawn
    for point in model.performance.curve[:1] + model.performance.curve[-1:]:
        assert f"{point.concurrent_requests} at once: {point.output_tokens_per_second:,.0f} tokens a second" in drawn
    assert "standby for main" in drawn
    assert "engine shutdown: 120 s" in drawn


def test_a_drain_that_a_place_cannot_give_is_not_only_another_colour() -> None:
    drawn = " ".join(" ".join(svg.itertext()) for svg in page(planned("serverless")).iter("svg"))
    assert re.search(r"needs \d+ s, gets 10 s", drawn)


def test_a_thousand_sites_fit_a_comment_and_a_page_and_what_is_left_out_is_counted() -> None:
    plan = large()
    markdown, document = to_markdown(plan), to_html(plan)
    assert len(markdown) < 65_536
    assert "995 more sites" in markdown
    assert re.search(r"and 9\d\d more rows, which are in `--format json`", markdown)
    assert len(document) < 500_000
    assert "995 more sites" in document
    assert "801 more rows" in document


def test_markdown_is_never_longer_than_a_comment_may_be() -> None:
    """However long names are: what does not fit is counted."""
    plan = large()
    names = {name: f"{name}-{'w' * 50}" for name in plan.sites}
    summary = {f"{number}{'k' * 90}": "v" * 280 for number in range(40)}
    sites = {names[name]: replace(site, summary=summary, endpoint="e" * 250) for name, site in plan.sites.items()}
    links = tuple(replace(link, source=names[link.source], target=names[link.target]) for link in plan.links)
    warnings = tuple(f"{number} {'x' * 290}" for number in range(300))
    text = to_markdown(replace(plan, sites=sites, links=links, warnings=warnings))
    assert 20_000 < len(text) < 65_536
    assert "`--format json`" in text


def test_a_section_more_is_in_every_format(monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.report.section import Section

    def added(plan: DeploymentPlan) -> Any:
        return Section(name="changes", title="Changes", lines=(f"{plan.stack} gets larger",))

    monkeypatch.setattr("infra.report.sections.SECTIONS", (*SECTIONS, added))
    for form in ("text", "markdown", "html"):
        assert "prod gets larger" in FORMATS[form](planned("prod"))


def test_the_headline_of_a_comment_says_what_it_costs() -> None:
    first, second, *_ = to_markdown(planned("prod")).split("\n\n")
    assert first == "### Plan of `prod`: ha, 1 model on 2 sites"
    assert (
        unmarked(second)
        .replace("*", "")
        .startswith("$5,931 to $26,487 a month · 3 to 16 replicas · 3 to 16 × L40S GPUs")
    )

"""The HTML report in a real browser: it loads nothing, complains of nothing, and is as wide as what it is shown on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Browser

from infra.load import load_file
from infra.plan.build import build_plan
from infra.report.html import to_html
from infra.report.svg import to_svg
from tests.serving.browser import started_browser

ROOT = Path(__file__).resolve().parents[2]
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
# What is drawn beyond its picture's own box would be cut off, or lie on something else.
BEYOND = """() => [...document.querySelectorAll("svg")].flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  if (box.width === 0) return [];
  return [...svg.querySelectorAll("text")].filter((text) => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 4 || own.bottom > box.bottom + 4;
  }).map((text) => text.textContent);
})"""
# Words that lie on other words.
OVERLAPPING = """() => [...document.querySelectorAll("svg")].flatMap((svg) => {
  const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  return texts.flatMap(([words, a], index) => texts.slice(index + 1).filter(([, b]) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4
  ).map(([others]) => `${words} | ${others}`));
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as running:
        yield running


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("stack", STACKS)
def test_a_page_is_quiet_and_fits(stack: str, width: int, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "plan.html"
    file.write_text(to_html(build_plan(load_file(ROOT / f"Pulumi.{stack}.yaml"), stack)), encoding="utf-8")
    asked: list[str] = []
    said: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda line: said.append(line.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("svg:visible").count() >= 2
        shown, hidden = ("wide", "narrow") if width > 720 else ("narrow", "wide")
        assert page.locator(f"figure.of-{shown}:visible").count() == page.locator(f"figure.of-{hidden}").count() >= 1
        assert page.locator(f"figure.of-{hidden}:visible").count() == 0
        assert page.evaluate(BEYOND) == []
        assert page.evaluate(OVERLAPPING) == []
        # Colours follow what the reader has chosen.
        colours: list[str] = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(set(colours)) == 2
    assert asked == [file.as_uri()]
    assert said == []


@pytest.mark.parametrize("stack", STACKS)
def test_a_drawing_alone_is_whole_and_follows_the_readers_colours(stack: str, browser: Browser) -> None:
    drawing = to_svg(build_plan(load_file(ROOT / f"Pulumi.{stack}.yaml"), stack))
    with browser.new_context(viewport={"width": 1120, "height": 900}) as context:
        page = context.new_page()
        page.set_content(drawing)
        assert page.evaluate(BEYOND) == []
        assert page.evaluate(OVERLAPPING) == []
        shown = page.locator("svg text").all_text_contents()
        assert len(shown) > 8
        assert [text for text in shown if "…" in text] == [], "of what ships nothing is cut"
        colours: list[list[str]] = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            fill = "selector => getComputedStyle(document.querySelector(selector)).fill"
            colours.append([page.evaluate(fill, selector) for selector in ("rect.page", "text.strong")])
        (light, ink), (dark, chalk) = colours
        assert len({light, ink, dark, chalk}) == 4

"""Gateway: the operator's page in a real browser. What it shows, that it moves, what it keeps to itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Browser, Error, Page, expect

from tests.serving import echoing
from tests.serving.browser import opened, started_browser
from tests.serving.gateway_process import (
    KEY,
    NARROW_KEY,
    PROMPT,
    GatewayProcess,
    chat,
    configuration,
    free_port,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine

LONG_NAME = "w" * 63
NOT_FOUND = ("the server responded with a status of 401", "the server responded with a status of 404")
GONE = ("Failed to load resource",)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as running:
        yield running


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@contextmanager
def started(engine: FakeEngine, folder: Path) -> Iterator[tuple[GatewayProcess, int]]:
    config: dict[str, Any] = configuration(engine.url, folder)
    known = config["models"]
    upstream = known["ok"]["upstreams"][0]
    away = {**upstream, "url": "http://a-name-that-needs-more-than-one-line-on-a-narrow-screen.invalid:1"}
    config["models"] = {
        "ok": known["ok"],
        "long": {**known["long"], "upstreams": [upstream, away]},
        "embed": known["embed"],
        "echo": {**known["ok"], "context_tokens": 4096},
        LONG_NAME: {**known["ok"], "upstreams": [{**upstream, "model": "ok"}]},
    }
    config["clients"]["dev"]["models"] = sorted(config["models"])
    config["audit"] = {"folder": str(folder / "audit"), "reserve_bytes": 65536}
    port = free_port()
    with start_gateway(folder, config, "--admin", f"127.0.0.1:{port}", "--accept-seconds", "0") as running:
        wait_until("ready", lambda: running.request("GET", "/ready", port=running.operations).status == 200)
        yield running, port


@pytest.fixture(scope="module")
def served(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, int]]:
    assert "echo" in echoing.MODELS  # importing it taught the engine to echo
    with started(engine, tmp_path_factory.mktemp("page")) as running:
        yield running


def row(page: Page, table: str, text: str) -> Any:
    return page.locator(f"#{table} tbody tr").filter(has_text=text)


def chart(page: Page, title: str) -> Any:
    return page.locator("article").filter(has=page.get_by_role("heading", name=title, exact=True))


def attempt(page: Page, model: str, prompt: str, key: str = KEY) -> None:
    page.get_by_label("Model", exact=True).select_option(model)
    page.get_by_label("Client's key").fill(key)
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Send").click()


def test_it_shows_the_state_models_engines_and_the_audit(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    gateway, port = served
    gateway.request(body=chat("ok"))
    with opened(browser, port) as page:
        expect(page.get_by_role("status")).to_have_text("Ready")
        expect(page).to_have_title("Ready · slipway gateway")
        expect(page.locator("#models tbody tr")).to_have_count(5)
        long = row(page, "models", "a-name-that-needs")
        expect(long.get_by_role("rowheader")).to_have_text("long")
        expect(long).to_contain_text("chat, completions")
        expect(long.get_by_role("listitem").nth(0)).to_contain_text("trusted")
        expect(long.get_by_role("listitem").nth(1)).to_contain_text("unreachable")
        expect(long.get_by_role("listitem").nth(1)).to_contain_text("local · 0 in flight")
        audit = page.get_by_role("region", name="Audit chain")
        expect(audit).to_contain_text("Writing")
        expect(audit.get_by_text(re.compile(r"^[0-9a-f]{16}$"))).to_be_visible()


def test_charts_move(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    gateway, port = served
    with opened(browser, port) as page:
        requests, tokens = chart(page, "Requests"), chart(page, "Until the first token")
        requests.locator("svg").wait_for()
        line = requests.locator("path.series-0")
        before = line.get_attribute("d") or ""
        for _ in range(20):
            gateway.request(body=chat("ok", stream=True))
        expect(requests.locator("svg")).to_have_attribute("aria-label", re.compile(r"highest ([2-9]|\d\d)"))
        expect(line).not_to_have_attribute("d", before)
        expect(tokens.locator(".values")).to_contain_text(re.compile(r"\d ms"))
        # The pointer picks a moment in all of them.
        box = requests.locator(".plot").bounding_box()
        page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 20)
        expect(tokens.locator(".title time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
        expect(tokens.locator("path.cursor")).to_have_count(1)


def test_a_refusal_appears_without_what_was_asked(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    gateway, port = served
    with opened(browser, port) as page:
        gateway.request(body=chat("long"), key=NARROW_KEY, headers={"X-Request-Id": "refused-before-your-eyes"})
        found = row(page, "refusals", "refused-before-your-eyes")
        expect(found).to_contain_text("404")
        expect(found).to_contain_text("model_not_found")
        expect(found).to_contain_text("narrow")
        assert PROMPT not in page.content()
        for _ in range(15):
            gateway.request(body=chat("ok"), key="sk-wrong")
        page.get_by_role("button", name=re.compile(r"^Show all \d+")).click()
        expect(found).to_be_visible()
        expect(page.locator("#refusals tbody tr").nth(15)).to_be_visible()
        page.get_by_role("button", name="Show fewer").click()
        expect(page.locator("#refusals tbody tr")).to_have_count(10)


def test_a_trial_streams_its_answer(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    _, port = served
    with opened(browser, port) as page:
        attempt(page, "long", PROMPT)
        answer = page.get_by_role("region", name="Answer")
        # 40 pieces 40 ms apart: some are there while others are not.
        expect(answer).to_contain_text("w3 ")
        assert "w39" not in answer.inner_text()
        expect(answer).to_have_attribute("aria-busy", "true")
        expect(answer).to_contain_text("w39")
        expect(answer).to_have_attribute("aria-busy", "false")
        expect(answer).to_contain_text(
            re.compile(r"local · first token after \d+ ms · .*all of it in [1-9]\d*\.\d+ s · request ")
        )
        attempt(page, "long", PROMPT)
        expect(answer).to_contain_text("w3 ")
        page.get_by_role("button", name="Stop").click()
        expect(answer).to_contain_text("Stopped")
        attempt(page, "embed", PROMPT)
        expect(answer).to_contain_text(re.compile(r"A vector of \d+ numbers"))


def test_a_trial_with_a_wrong_key_is_refused(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    _, port = served
    with opened(browser, port, errors=NOT_FOUND) as page:
        attempt(page, "ok", PROMPT, "sk-wrong-canary-page")
        answer = page.get_by_role("region", name="Answer")
        expect(answer).to_contain_text("401 invalid_api_key")
        expect(answer).to_contain_text("found no valid API key")
        number = answer.inner_text().rpartition("request ")[2].strip()
        expect(row(page, "refusals", number)).to_contain_text("401")
        attempt(page, "ok", PROMPT, NARROW_KEY)
        expect(answer).to_contain_text("Answer")
        attempt(page, "long", PROMPT, NARROW_KEY)
        expect(answer).to_contain_text("404 model_not_found")


def test_a_key_is_kept_in_its_field_and_nowhere_else(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    _, port = served
    with opened(browser, port) as page:
        attempt(page, "ok", PROMPT)
        expect(page.get_by_role("region", name="Answer")).to_contain_text("all of it in")
        assert page.get_by_label("Client's key").get_attribute("type") == "password"
        kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])")
        assert kept == f'[{{}},{{}},"","http://127.0.0.1:{port}/"]'
        page.reload()
        page.get_by_role("status").filter(has_text="Ready").wait_for()
        assert page.get_by_label("Client's key").input_value() == ""


def test_text_of_a_model_never_becomes_markup(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    _, port = served
    markup = "<img src=x onerror=alert(1)><b>bold</b>"
    with opened(browser, port) as page:
        attempt(page, "echo", markup)
        answer = page.get_by_role("region", name="Answer")
        expect(answer).to_contain_text(markup)
        assert answer.locator("img, b").count() == 0


def test_the_browser_itself_holds_the_page_to_its_policy(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    _, port = served
    with opened(browser, port, errors=("Content Security Policy", "TrustedHTML", "violates the following")) as page:
        with pytest.raises(Error, match="TrustedHTML"):
            page.evaluate("document.body.innerHTML = '<p>markup</p>'")
        added = "const s = document.createElement('style'); s.append('body {opacity: 0}'); document.head.append(s)"
        page.evaluate(added)
        assert page.evaluate("getComputedStyle(document.body).opacity") == "1"
        with pytest.raises(Error, match="Failed to fetch"):
            page.evaluate(f"fetch('http://127.0.0.1:{port + 1}/')")


def test_nothing_is_asked_while_paused_or_out_of_view(served: tuple[GatewayProcess, int], browser: Browser) -> None:
    _, port = served
    with opened(browser, port) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        pause = page.locator("#pause")
        pause.focus()
        page.keyboard.press("Enter")
        expect(pause).to_have_attribute("aria-pressed", "true")
        page.wait_for_timeout(300)
        asked.clear()
        page.wait_for_timeout(2500)
        assert asked == []
        page.keyboard.press("Enter")
        page.wait_for_timeout(1500)
        assert len(asked) >= 3
        hide = "Object.defineProperty(document, 'hidden', {{configurable: true, get: () => {}}});"
        page.evaluate(hide.format("true"))
        page.wait_for_timeout(300)
        asked.clear()
        page.wait_for_timeout(2500)
        assert asked == []
        page.evaluate(hide.format("false") + "document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(300)
        assert len(asked) >= 3


def test_a_gateway_that_is_gone_is_said_and_found_again(engine: FakeEngine, browser: Browser, tmp_path: Path) -> None:
    with started(engine, tmp_path) as (gateway, port), opened(browser, port, errors=GONE) as page:
        gateway.process.kill()
        gateway.process.wait(10)
        expect(page.get_by_role("status")).to_have_text(re.compile(r"^Not reachable since \d\d:\d\d:\d\d$"))
        with start_gateway(tmp_path, configuration(engine.url, tmp_path), "--admin", f"127.0.0.1:{port}"):
            expect(page.get_by_role("status")).to_have_text("Ready")
            expect(page.get_by_role("region", name="Audit chain")).to_contain_text("No audit is kept")
            expect(page.get_by_text("None since the gateway started.")).to_be_visible()


@pytest.mark.parametrize("width", [320, 380, 720, 721, 960, 1400])
def test_no_width_needs_scrolling_sideways(served: tuple[GatewayProcess, int], browser: Browser, width: int) -> None:
    gateway, port = served
    gateway.request(body=chat(LONG_NAME, max_tokens=10**6), headers={"X-Request-Id": "x" * 128})
    with opened(browser, port, viewport={"width": width, "height": 800}) as page:
        expect(row(page, "refusals", "x" * 128).first).to_be_visible()
        attempt(page, "echo", "v" * 300)
        expect(page.get_by_role("region", name="Answer")).to_contain_text("v" * 300)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        # Whatever CSS makes of it, it stays a table for screen readers.
        assert page.get_by_role("table").count() == 2
        assert page.get_by_role("rowheader", name=LONG_NAME).count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(served: tuple[GatewayProcess, int], browser: Browser, scheme: Any) -> None:
    """WCAG's 4.5 to 1 for every text there is, against the nearest background behind it."""
    gateway, port = served
    gateway.request(body=chat("ok"), key="sk-wrong")
    with opened(browser, port, color_scheme=scheme, errors=NOT_FOUND) as page:
        page.locator("#refusals tbody tr").first.wait_for()
        attempt(page, "ok", PROMPT, "sk-wrong")
        expect(page.get_by_role("region", name="Answer")).to_contain_text("401")
        expect(page.get_by_role("button", name="Send")).to_be_enabled()
        assert page.evaluate(_POOR_CONTRAST) == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(18, 22, 26)") == (scheme == "dark")


_POOR_CONTRAST = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = numbers(color).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((numbers(color)[3] ?? 1) === 1) return color;
    }
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const exempt = !node.checkVisibility() || node.closest(":disabled, script, noscript");
    if (exempt || !walker.currentNode.data.trim()) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""

"""A real headless Chromium for the tests of the page, and what a look at a page must never show."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Chromium, or the test is skipped."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_OPTIONS.split())
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, port: int, *, errors: tuple[str, ...] = (), **options: Any) -> Iterator[Page]:
    """The page of the gateway at `port`. Fails at the end when anything was asked of anybody else, or when the console
    got an error or a warning other than those that hold one of `errors`."""
    own = f"http://127.0.0.1:{port}"
    elsewhere: list[str] = []
    said: list[str] = []
    with browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options}) as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda asked: elsewhere.append(asked.url) if not asked.url.startswith(f"{own}/") else None)
        page.on("console", lambda line: said.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        answer = page.goto(f"{own}/")
        assert answer is not None
        assert answer.status == 200
        page.get_by_role("status").filter(has_text="eady").wait_for()
        yield page
    assert [url for url in elsewhere if not url.startswith("data:")] == []
    unexpected = [line for line in said if line.startswith(("error", "warning")) and not any(e in line for e in errors)]
    assert unexpected == []

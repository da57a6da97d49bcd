"""What a larger change of `prod` looks like, as it was agreed. `pytest tests/golden --rewrite` agrees to a new one."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.plan.change_types import PlanChanges
from infra.report.changes import changes_html, changes_markdown, changes_text
from tests.unit.plan_pairs import changed

HERE = Path(__file__).parent / "changes"
FORMS: dict[str, Callable[[PlanChanges], str]] = {"txt": changes_text, "md": changes_markdown, "html": changes_html}


def with_batch(document: dict[str, Any]) -> None:
    document["clients"]["batch"] = {"models": ["chat"], "requests_per_minute": 60, "data_class": "internal"}


def larger(document: dict[str, Any]) -> None:
    """Another engine, half as many replicas more, one client less and one limit less."""
    document["models"]["chat"]["engine"] = {"kind": "sglang"}
    document["models"]["chat"]["scaling"]["max_replicas"] = 12
    del document["clients"]["batch"], document["clients"]["web"]["tokens_per_minute"]


@pytest.mark.parametrize("form", FORMS)
def test_changes_are_shown_as_was_agreed(form: str, rewrite: bool) -> None:
    path = HERE / f"prod.{form}"
    now = FORMS[form](changed("prod", larger, first=with_batch)) + "\n"
    if rewrite:
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    agreed = path.read_text(encoding="utf-8") if path.exists() else ""
    if now != agreed:
        diff = difflib.unified_diff(agreed.splitlines(), now.splitlines(), "agreed", "now", lineterm="")
        pytest.fail("\n".join([f"{path.name} is not what is shown now:", *diff]), pytrace=False)

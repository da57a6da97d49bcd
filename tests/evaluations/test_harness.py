"""EleutherAI's harness is really run: by `make trial`, with a task of one's own, on the dev stack's real model."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.checkout import Checkout

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_SLOW"), reason="installs lm-evaluation-harness, 600 MB: make test-slow"
    ),
]
TASKS = Path(__file__).with_name("tasks")


def school(least: float) -> dict[str, Any]:
    return {
        "kind": "lm_evaluation_harness",
        "client": "dev",
        "own_tasks": "tasks",
        "tasks": {"capitals": {"exact_match": least}},
        "concurrent_requests": 1,
        "at_most_minutes": 10,
    }


def declared(deployment: dict[str, Any]) -> None:
    chat = deployment["models"]["chat"]
    for asking in ("load_test", "optimisation", "refresh"):
        del chat[asking]
    # Of three it knows Paris, and nobody knows the last.
    chat["evaluations"] = {"kept": school(0.3), "missed": school(0.9)}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, str]]:
    made = Checkout(tmp_path_factory.mktemp("up") / "checkout")
    try:
        shutil.copytree(TASKS, made.folder / "tasks")
        made.change(declared)
        made.up()
        yield made, made.key()
    finally:
        made.close()


def record(checkout: Checkout, trial: str) -> dict[str, Any]:
    """The one that was kept of a trial."""
    (file,) = (checkout.folder / ".slipway" / "records" / "dev" / "chat" / trial).glob("*.json")
    return json.loads(file.read_text())


def test_a_bound_that_holds_and_one_that_does_not(up: tuple[Checkout, str]) -> None:
    checkout, key = up
    said = checkout.run("make", "trial", "ONLY=chat/kept")
    kept = record(checkout, "kept")
    assert kept["passed"] is True
    said += checkout.run("make", "trial", "ONLY=chat/missed", check=False)
    missed = record(checkout, "missed")
    assert missed["passed"] is False
    # The same questions to the same model.
    assert kept["figures"] == missed["figures"]
    assert kept["figures"]["capitals exact_match"] < 0.9, kept["figures"]
    assert "MISSED" in said

    left = [path for path in (checkout.folder / ".slipway" / "records").rglob("*") if path.is_file()]
    logs = list((checkout.folder / ".slipway").rglob("*.log"))
    assert left
    assert logs
    assert key not in said
    assert not [path.name for path in (*left, *logs) if key.encode() in path.read_bytes()]

"""One replica of Qwen3-8B on each engine, as it was agreed; `pytest tests/golden --rewrite` agrees to a new one."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from infra.engines import ENGINES
from infra.render.readable import Readable
from tests.unit.engine_requests import rendered

HERE = Path(__file__).parent / "engines"
KINDS = tuple(ENGINES.builtin)
HEADER = "# Qwen3-8B on `{}`; `pytest tests/golden --rewrite` writes it.\n"
MODEL = {
    "context_tokens": 32_768,
    "concurrent_requests": 16,
    "longest_generation_seconds": 300,
    "tool_calls": "hermes",
    "reasoning": "qwen3",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_container_is_the_one_that_was_agreed(kind: str, rewrite: bool) -> None:
    path = HERE / f"{kind}.yaml"
    container = json.loads(json.dumps(asdict(rendered(kind, **MODEL))))
    now = HEADER.format(kind) + yaml.dump(container, Dumper=Readable, sort_keys=False, width=120)
    if rewrite:
        path.write_text(now, encoding="utf-8")
    agreed = path.read_text(encoding="utf-8") if path.exists() else ""
    if now != agreed:
        diff = difflib.unified_diff(agreed.splitlines(), now.splitlines(), "agreed", "now", lineterm="")
        pytest.fail("\n".join([f"{path.name} is not what is rendered now:", *diff]), pytrace=False)


def test_no_container_is_left_of_an_engine_that_is_gone() -> None:
    assert sorted(path.stem for path in HERE.glob("*.yaml")) == sorted(KINDS)

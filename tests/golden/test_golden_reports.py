"""What a person reads of each stack that ships, in every format, as it was agreed."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from infra.load import load_file
from infra.plan.build import build_plan
from infra.report import FORMATS

HERE = Path(__file__).parent / "reports"
ROOT = HERE.parent.parent.parent
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
# JSON is the whole plan, which `STACK.plan.yaml` beside this folder agrees to; SVGs are in the gallery.
ENDINGS = {"text": "txt", "markdown": "md", "html": "html"}


@pytest.mark.parametrize("form", ENDINGS)
@pytest.mark.parametrize("stack", STACKS)
def test_the_report_is_the_one_that_was_agreed(stack: str, form: str, rewrite: bool) -> None:
    path = HERE / f"{stack}.{ENDINGS[form]}"
    now = FORMATS[form](build_plan(load_file(ROOT / f"Pulumi.{stack}.yaml"), stack)) + "\n"
    if rewrite:
        path.write_text(now, encoding="utf-8")
    agreed = path.read_text(encoding="utf-8") if path.exists() else ""
    if now != agreed:
        diff = difflib.unified_diff(agreed.splitlines(), now.splitlines(), "agreed", "now", lineterm="")
        pytest.fail("\n".join([f"{path.name} is not what is told now:", *diff]), pytrace=False)


def test_every_format_has_a_golden_file_and_none_is_left_over() -> None:
    assert set(ENDINGS) | {"json", "svg"} == set(FORMATS.builtin)
    assert {path.name for path in HERE.iterdir()} == {f"{s}.{end}" for s in STACKS for end in ENDINGS.values()}

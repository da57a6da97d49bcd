"""The whole plan of each stack that ships, as it was agreed. `pytest tests/golden --rewrite` agrees to a new one."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import yaml

from infra.load import load_file
from infra.plan.build import build_plan
from infra.report import to_data

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
HEADER = "# The plan of Pulumi.{}.yaml; `pytest tests/golden --rewrite` writes it.\n"


@pytest.mark.parametrize("stack", STACKS)
def test_the_plan_is_the_one_that_was_agreed(stack: str, rewrite: bool) -> None:
    path = HERE / f"{stack}.plan.yaml"
    plan = to_data(build_plan(load_file(ROOT / f"Pulumi.{stack}.yaml"), stack))
    now = HEADER.format(stack) + yaml.safe_dump(plan, sort_keys=False, allow_unicode=True, width=120)
    if rewrite:
        path.write_text(now, encoding="utf-8")
    agreed = path.read_text(encoding="utf-8") if path.exists() else ""
    if now != agreed:
        diff = difflib.unified_diff(agreed.splitlines(), now.splitlines(), "agreed", "now", lineterm="")
        pytest.fail("\n".join([f"{path.name} is not what is planned now:", *diff]), pytrace=False)


def test_no_plan_is_left_of_a_stack_that_is_gone() -> None:
    assert sorted(path.name.split(".")[0] for path in HERE.glob("*.plan.yaml")) == STACKS

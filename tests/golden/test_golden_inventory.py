"""Every resource of the stacks that make things in a cloud, by type and logical name; `--rewrite` agrees to others.

A logical name is identity: one that changes is another resource, and the old one is deleted.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.golden.test_golden_manifests import EVERY_STACK
from tests.manifests import recorded

HERE = Path(__file__).parent / "inventory"
HEADER = "# Every resource of Pulumi.{}.yaml; `pytest tests/golden --rewrite` writes it.\n"


@pytest.mark.parametrize("stack", EVERY_STACK)
def test_the_resources_are_those_that_were_agreed(stack: str, rewrite: bool) -> None:
    by_type: dict[str, list[str]] = {}
    for one in recorded(EVERY_STACK[stack]).seen:
        by_type.setdefault(one.type, []).append(one.name)
    found = {kind: sorted(names) for kind, names in sorted(by_type.items())}
    path, now = HERE / f"{stack}.yaml", HEADER.format(stack) + yaml.safe_dump(found, width=120)
    if rewrite:
        path.write_text(now, encoding="utf-8")
    assert now == (path.read_text(encoding="utf-8") if path.exists() else "")


def test_no_inventory_is_left_of_a_stack_that_is_gone() -> None:
    assert sorted(path.stem for path in HERE.glob("*.yaml")) == sorted(EVERY_STACK)

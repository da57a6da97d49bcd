"""The gallery's pictures and prices are those of the plans; `pytest tests/golden --rewrite` writes them again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.load import load_file
from infra.plan.build import build_plan
from infra.report import FORMATS
from infra.report.words import dollars
from tests.golden.test_golden_plans import STACKS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PICTURES = ROOT / "docs" / "architectures"
PAGES = ("README.md", "docs/architectures.md")
STACK_FILE = re.compile(r"`Pulumi\.([a-z]+)\.yaml`")
PRICE_COLUMN = "a month"


@pytest.mark.parametrize("stack", STACKS)
def test_the_picture_is_that_of_the_plan(stack: str, rewrite: bool) -> None:
    path = PICTURES / f"{stack}.svg"
    now = FORMATS["svg"](build_plan(load_file(ROOT / f"Pulumi.{stack}.yaml"), stack)) + "\n"
    if rewrite:
        path.write_text(now, encoding="utf-8")
    assert path.exists()
    assert now == path.read_text(encoding="utf-8"), f"docs/architectures/{stack}.svg is not what is planned now"


def test_no_picture_is_left_of_a_stack_that_is_gone() -> None:
    assert sorted(path.name for path in PICTURES.iterdir()) == [f"{stack}.svg" for stack in STACKS]


@pytest.mark.parametrize("page", PAGES)
def test_prices_are_those_of_the_agreed_plans(page: str, rewrite: bool) -> None:
    path = ROOT / page
    written = path.read_text(encoding="utf-8")
    now = priced(written, HERE)
    if rewrite:
        path.write_text(now, encoding="utf-8")
        written = now
    assert [
        (is_, should) for is_, should in zip(written.splitlines(), now.splitlines(), strict=True) if is_ != should
    ] == []


def test_both_pages_have_a_price_of_every_stack() -> None:
    for page in PAGES:
        lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
        assert sorted(stack for stack, _ in rows(lines)) == STACKS, page


def test_a_price_that_somebody_typed_is_found(tmp_path: Path) -> None:
    plan: dict[str, Any] = {
        "price": {"dollars_per_month": {"min": 10.4, "max": 2000}, "lines": [{"dollars_per_month": 1}]}
    }
    (tmp_path / "one.plan.yaml").write_text(yaml.safe_dump(plan))
    (tmp_path / "own.plan.yaml").write_text(yaml.safe_dump({"price": None}))
    header = "| you | stack file | a month, all in all |\n|---|---|---|\n"
    table = f"{header}| a | `Pulumi.one.yaml` | {{}} |\n| b | `Pulumi.own.yaml` | {{}} |\n"
    other = "\n| stack | an hour |\n|---|---|\n| `Pulumi.one.yaml` | 1 |\n"
    assert priced(table.format("$11", "?") + other, tmp_path) == table.format("$10 to $2,000", "no cloud bill") + other
    plan["price"]["lines"].append({"dollars_per_month": None})
    (tmp_path / "one.plan.yaml").write_text(yaml.safe_dump(plan))
    assert "| $10 to $2,000, and 1 line without a price |" in priced(table.format("", ""), tmp_path)


def priced(text: str, plans: Path) -> str:
    """The page with each price as the stack's agreed plan has it."""
    lines = text.splitlines()
    for stack, (number, column) in rows(lines):
        cells = lines[number].split("|")
        cells[column] = f" {_month(yaml.safe_load((plans / f'{stack}.plan.yaml').read_text(encoding='utf-8')))} "
        lines[number] = "|".join(cells)
    return "\n".join(lines) + "\n"


def rows(lines: list[str]) -> list[tuple[str, tuple[int, int]]]:
    """Stacks in tables with a price, each with the line and the column of its price."""
    found: list[tuple[str, tuple[int, int]]] = []
    column: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("|"):
            column = None
        elif not number or not lines[number - 1].startswith("|"):
            names = [cell.strip() for cell in line.split("|")]
            column = next((index for index, name in enumerate(names) if name.startswith(PRICE_COLUMN)), None)
        elif column is not None and (stack := STACK_FILE.search(line)):
            found.append((stack[1], (number, column)))
    return found


def _month(plan: dict[str, Any]) -> str:
    price = plan["price"]
    if price is None:
        return "no cloud bill"
    missing = sum(line["dollars_per_month"] is None for line in price["lines"])
    more = f", and {missing} line{'' if missing == 1 else 's'} without a price" if missing else ""
    month = price["dollars_per_month"]
    return f"{dollars(month['min'], month['max'])}{more}"

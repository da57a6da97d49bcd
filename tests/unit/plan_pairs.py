"""Two plans of almost the same stack file: what a test changes is the only difference."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.change_types import PlanChanges
from infra.plan.changes import compare
from infra.report import to_data
from infra.stack_file import read_stack_file

ROOT = Path(__file__).parent.parent.parent
Edit = Callable[[dict[str, Any]], object]


def deployment(stack: str) -> dict[str, Any]:
    """What stands under `slipway:deployment` of a stack that ships, to be changed."""
    return copy.deepcopy(read_stack_file(ROOT / f"Pulumi.{stack}.yaml").values["config"]["slipway:deployment"])


def planned(document: dict[str, Any], stack: str) -> dict[str, Any]:
    """Its plan as data."""
    return to_data(build_plan(validate(document, stack, {}), stack))


def plan_of(stack: str, *edits: Edit) -> dict[str, Any]:
    """The plan of a stack that ships, after edits."""
    document = deployment(stack)
    for edit in edits:
        edit(document)
    return planned(document, stack)


def changed(stack: str, *edits: Edit, first: Edit = lambda _: None) -> PlanChanges:
    """What edits change; `first` is done on both sides."""
    return compare(plan_of(stack, first), plan_of(stack, first, *edits), "main")


def fields(changes: tuple[Any, ...], name: str) -> dict[str, tuple[Any, Any]]:
    """The fields of one site, model or client, as (before, after)."""
    (found,) = [change for change in changes if change.name == name]
    return {field.field: (field.before, field.after) for field in found.fields}


def effects(changes: PlanChanges) -> dict[str, str]:
    """What requests in flight notice, by what changes."""
    return {row.what: row.effect for row in changes.in_flight}

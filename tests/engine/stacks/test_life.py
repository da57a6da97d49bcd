"""Each example stack's life, with the project's own program and the real CLI: preview, up, no change, changes, refresh.

That destroy leaves nothing is asserted where the stack is taken down, after all tests of it.
"""

from __future__ import annotations

import re

import pytest

from tests.engine.stacks.deployed import Deployed, Deployments, counted
from tests.engine.stacks.rows import EXAMPLES, Change, ExampleStack

pytestmark = pytest.mark.timeout(400)

CHANGES = [
    pytest.param(example, change, id=f"{example.name}: {change.what}")
    for example in EXAMPLES
    for change in example.changes
]


def test_preview_shows_the_plan_and_creates_nothing(deployed: Deployed) -> None:
    assert deployed.after_preview == deployed.before
    assert re.search(rf"^ +plan of {deployed.example.name}: ", deployed.previewed, re.MULTILINE)
    assert deployed.previewed.count(f"All of it: make plan STACK={deployed.example.name}") == 1


def test_up_creates_what_the_preview_said_and_waits_until_it_works(deployed: Deployed) -> None:
    assert counted(deployed.printed)["created"] == counted(deployed.previewed)["to create"]
    resources = deployed.resources()
    assert len(resources) == counted(deployed.printed)["created"]
    assert not deployed.place.wrong(deployed.checkout, resources)


def test_a_second_up_changes_nothing(deployed: Deployed) -> None:
    assert set(counted(deployed.up("--expect-no-changes"))) == {"unchanged"}


def test_a_refresh_of_what_nobody_touched_finds_nothing(deployed: Deployed) -> None:
    printed = deployed.pulumi("refresh", "--preview-only", "--expect-no-changes")
    assert set(counted(printed)) == {"unchanged"}


@pytest.mark.parametrize(("example", "change"), CHANGES)
def test_a_change_changes_only_what_it_must(example: ExampleStack, change: Change, deployments: Deployments) -> None:
    deployed = deployments.of(example)
    deployed.checkout.change(change.edit)
    assert deployed.planned() == change.expected
    deployed.up()
    assert not deployed.place.wrong(deployed.checkout, deployed.resources())


def test_no_change_leaves_anything_to_change(deployed: Deployed) -> None:
    assert not deployed.planned("--refresh")

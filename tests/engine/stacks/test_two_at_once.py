"""Experiment 33: of two `up` at once exactly one changes anything; one command clears a lock whose owner has gone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.engine.stacks.commands import Running
from tests.engine.stacks.deployed import Deployed, counted

pytestmark = pytest.mark.timeout(400)

UP = ("up", "--yes", "--skip-preview")


@pytest.fixture
def pending(onprem: Deployed) -> Iterator[Deployed]:
    """The stack with a change that is not deployed yet; as it was afterwards."""
    kept = onprem.checkout.stack_file.read_text()
    onprem.checkout.change(lambda deployment: deployment["clients"]["web"].update(requests_per_minute=300))
    yield onprem
    onprem.checkout.stack_file.write_text(kept)
    onprem.up()


def _updates(onprem: Deployed) -> int:
    # A page has ten where nothing is said, and other tests have made as many.
    every = ("--page-size", "1000", "--page", "1")
    return len(json.loads(onprem.pulumi("stack", "history", "--json", "--full-dates", *every)))


def test_of_two_at_once_one_changes_something(pending: Deployed) -> None:
    before = _updates(pending)
    with Running(pending.checkout, *UP) as first:
        first.wait_until_it_has_the_lock()
        refused = pending.up(check=False)
        assert "the stack is currently locked by 1 lock(s)" in refused
        # The same by the tools: whose lock it is, and that it lives.
        for command in (("make", "up", "STACK=onprem"), ("tools/unlock", "onprem")):
            printed = pending.checkout.run(*command, check=False)
            for part in ("it is locked by ", f"process {first.process.pid}", "one change of a stack at a time", "Wait"):
                assert part in printed
        printed = first.go_on()
    assert counted(printed)["updated"] == 1
    assert _updates(pending) == before + 1
    assert not pending.planned()


def test_a_lock_whose_owner_has_gone_is_cleared_by_one_command(pending: Deployed) -> None:
    with Running(pending.checkout, *UP) as first:
        first.wait_until_it_has_the_lock()
    assert "currently locked" in pending.up(check=False)
    assert "it is free again" in pending.checkout.run("tools/unlock", "onprem")
    assert "is not locked" in pending.checkout.run("tools/unlock", "onprem")
    assert counted(pending.up())["updated"] == 1

"""Experiments 31 and 32: `pulumi up` that fails at a resource, and that is killed at any moment.

After a failure the state is what was created, and the next run creates the rest. After a kill `make up` does all that
is documented: it frees the lock, finds what was being created, and ends in a stack that needs no change.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.plugin_objects import BREAK
from tests.engine.checkout import Checkout
from tests.engine.stacks.commands import Running
from tests.engine.stacks.deployed import counted, prepared
from tests.engine.stacks.places import Place
from tests.engine.stacks.rows import ONPREM

FULL = os.environ.get("FAULTS_FULL") == "1"
KILLS = 50 if FULL else 4
SEED = int(os.environ.get("SLIPWAY_SEED", "0")) or random.randrange(1, 1 << 31)

pytestmark = pytest.mark.timeout(7200 if FULL else 600)

NAMESPACE = "slipway-interrupted"
UP = ("up", "--yes", "--skip-preview")
# The first object of each component, in the order in which they are made: an edge each.
EDGES = (
    f"Namespace {NAMESPACE}",
    f"NetworkPolicy {NAMESPACE}/default-deny",
    f"StatefulSet {NAMESPACE}/shared-limits",
    f"Deployment {NAMESPACE}/gateway",
    f"Deployment {NAMESPACE}/engine-chat",
    f"ScaledObject {NAMESPACE}/engine-chat",
)
# What the cluster adds to a namespace by itself, and a StatefulSet's claim: they go with the namespace.
NOT_OURS = {
    f"ConfigMap {NAMESPACE}/kube-root-ca.crt",
    f"ServiceAccount {NAMESPACE}/default",
    f"PersistentVolumeClaim {NAMESPACE}/data-shared-limits-0",
}


class Interrupted:
    """The stack `onprem` in a namespace of its own."""

    def __init__(self, checkout: Checkout, place: Place) -> None:
        self.checkout, self.place = checkout, place
        self.before = place.things(checkout)

    def pulumi(self, command: str, *arguments: str, check: bool = True) -> str:
        return self.checkout.pulumi(command, "--stack", self.checkout.stack, *arguments, check=check)

    def made(self) -> set[str]:
        """What is in the cluster because of this stack."""
        return self.place.things(self.checkout) - self.before - NOT_OURS

    def held(self) -> set[str]:
        """What the state says is in the cluster."""
        resources = json.loads(self.pulumi("stack", "export"))["deployment"].get("resources", [])
        found = [one for one in resources if one["type"].startswith("kubernetes:")]
        return {f"{one['inputs']['kind']} {'' if '/' in one['id'] else '/'}{one['id']}" for one in found}

    def needs_nothing(self) -> None:
        """The state is true, nothing is left over, and a preview that looks at everything finds no change."""
        assert self.made() == self.held()
        self.pulumi("preview", "--refresh", "--expect-no-changes")


@pytest.fixture(scope="module")
def stack(places: Callable[[str], Place], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interrupted]:
    place = places(ONPREM.place)
    checkout = prepared(ONPREM, place, tmp_path_factory.mktemp("interrupted") / "checkout")
    checkout.change(lambda deployment: deployment["sites"]["datacentre"]["platform"].update(namespace=NAMESPACE))
    made = Interrupted(checkout, place)
    yield made
    checkout.run("make", "down", f"STACK={checkout.stack}")
    left = place.things(checkout) - made.before
    assert not left, f"orphans: {sorted(left)}"


def test_a_failure_at_each_component_leaves_a_state_that_is_true(
    stack: Interrupted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for edge in EDGES:
        if edge in stack.made():  # what is beside the one before may have been made with it
            stack.checkout.run("make", "down", f"STACK={stack.checkout.stack}")
        monkeypatch.setitem(stack.checkout.more_environment, BREAK, edge)
        printed = stack.pulumi(*UP, check=False)
        assert f"{edge}: refused" in printed
        assert edge not in stack.made()
        assert stack.made() == stack.held()
    monkeypatch.undo()
    assert counted(stack.pulumi(*UP)).keys() == {"created", "unchanged"}  # the rest, and nothing twice
    stack.needs_nothing()


def test_killed_at_any_moment_it_recovers(stack: Interrupted, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nkilled at random moments: n = {KILLS} (full size 50), SLIPWAY_SEED={SEED}")
    chance, seconds = random.Random(SEED), 8.0
    for number in range(KILLS):
        creating = number % 4 == 3  # from nothing; else a change that replaces and rolls
        if creating:
            stack.checkout.run("make", "down", f"STACK={stack.checkout.stack}")
        tokens = 2048 if number % 2 else 4096
        stack.checkout.change(lambda deployment, to=tokens: deployment["models"]["chat"].update(context_tokens=to))
        moment = chance.uniform(0, seconds)
        with Running(stack.checkout, *UP) as running:
            started = time.monotonic()
            while running.process.poll() is None and time.monotonic() - started < moment:
                time.sleep(0.01)
            ended = running.process.poll() is not None
            seconds = time.monotonic() - started if ended else seconds
        what = (
            f"kill {number} of {KILLS}, after {moment:.2f} s of {'creating' if creating else 'changing'}, seed {SEED}"
        )
        stack.checkout.up()
        try:
            stack.needs_nothing()
        except AssertionError as problem:
            raise AssertionError(f"{what}: {problem}") from problem

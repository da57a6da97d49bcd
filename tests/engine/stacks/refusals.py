"""A cloud that refuses something while a stack is made: what was made is in the state, and the next run makes the rest.

Experiment 32 where a cloud, and what is in its cluster, are one stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pytest

from tests.clouds.cloud import Cloud
from tests.cluster.plugin_objects import BREAK
from tests.engine.checkout import Checkout
from tests.engine.stacks.deployed import counted

UP = ("up", "--yes", "--skip-preview")


class OfACloud(Protocol):
    """A place that is a cloud."""

    @property
    def cloud(self) -> Cloud: ...

    def made(self) -> dict[str, dict[str, Any]]: ...

    def held(self, resources: list[dict[str, Any]]) -> set[str]: ...

    def renew(self) -> None: ...


class Stack(Protocol):
    """What is being made there."""

    @property
    def checkout(self) -> Checkout: ...

    def pulumi(self, command: str, *arguments: str, check: bool = True) -> str: ...

    def resources(self) -> list[dict[str, Any]]: ...


def at_edges(
    stack: Stack,
    place: OfACloud,
    of_the_cloud: Sequence[str],
    of_the_cluster: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refuses logical names of the cloud, then objects of the cluster, in the order of their making."""
    for edge in of_the_cloud:
        _come_before(stack, place, edge)
        place.cloud.refuse(edge)
        _refused(stack, place, edge)
    place.cloud.refuse()
    for edge in of_the_cluster:
        _come_before(stack, place, edge)
        monkeypatch.setitem(stack.checkout.more_environment, BREAK, edge)
        _refused(stack, place, edge)
    monkeypatch.undo()
    assert counted(stack.pulumi(*UP)).keys() == {"created", "unchanged"}  # the rest, and nothing twice
    stack.pulumi("preview", "--refresh", "--expect-no-changes")


def _refused(stack: Stack, place: OfACloud, edge: str) -> None:
    assert f"{edge}: refused" in stack.pulumi(*UP, check=False)
    assert {*place.made()} == place.held(stack.resources())


def _come_before(stack: Stack, place: OfACloud, edge: str) -> None:
    """Back to nothing where it is there already: what is beside an edge may be made with the one before."""
    made = [one for one in stack.resources() if one["custom"]]
    there = {one["urn"].rpartition("::")[2] for one in made}
    there |= {f"{one['inputs'].get('kind')} {one.get('id')}" for one in made if one.get("inputs")}
    if edge in there:
        stack.pulumi("destroy", "--yes", "--skip-preview")
        place.renew()

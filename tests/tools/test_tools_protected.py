"""What counts as protected in a state, and what is said of it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tools.problem import Problem
from tools.stack import protected
from tools.stack.engine import Engine


class Exporting:
    """An engine whose stack has these resources."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.resources = resources

    def ask(self, *arguments: str) -> Any:
        assert arguments == ("stack", "export", "--stack", "prod")
        return {"deployment": {"resources": [*self.resources]} if self.resources else None}


def resource(name: str, **more: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:prod::slipway::a$b::{name}", "type": "b", **more}


def refuse(*resources: dict[str, Any]) -> None:
    protected.refuse(cast(Engine, Exporting(*resources)), "prod")


def test_nothing_is_said_where_nothing_is_protected() -> None:
    refuse()
    refuse(resource("plain"), resource("open", inputs={"deletionProtection": False}))
    refuse(resource("replaced", protect=True, delete=True))


@pytest.mark.parametrize(
    "one",
    [
        resource("kept", protect=True),
        resource("kept", inputs={"deletionProtection": True}),
        resource("kept", inputs={"enableDeletionProtection": True}),
    ],
)
def test_who_refuses_to_be_deleted_is_named(one: dict[str, Any]) -> None:
    with pytest.raises(Problem) as raised:
        refuse(resource("plain"), one)
    assert raised.value.where == "stack prod"
    assert raised.value.found == "1 protected, and nothing was deleted:\nb kept"
    assert "`make up STACK=prod`" in raised.value.do


def test_a_long_list_is_cut() -> None:
    with pytest.raises(Problem) as raised:
        refuse(*(resource(f"kept-{number}", protect=True) for number in range(23)))
    lines = raised.value.found.splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("23 protected, and nothing was deleted:", "b kept-0", "and 3 more")

"""What a doctor finds: one row for each thing that was looked at, and what to do where it is not as it must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from infra.plan.types import SitePlan


class State(Enum):
    """`MISSING` keeps a deployment from working; `LOOK` is to be looked at by somebody; `UNKNOWN` could not be told."""

    OK = "ok"
    MISSING = "missing"
    LOOK = "look at"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row. `remedy` is empty exactly where nothing is to be done."""

    state: State
    what: str
    found: str
    remedy: str = ""


class Doctor(Protocol):
    """The live half of a platform: asks what its sites' plans need. Its module is imported only when it is asked."""

    def findings(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        """Every check's rows, whatever the others find."""
        ...

    def before(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        """Rows of what a deployment would stop at halfway; quick, and none where nobody can be asked."""
        ...


def ok(what: str, found: str) -> Finding:
    return Finding(state=State.OK, what=what, found=found)


def missing(what: str, found: str, remedy: str) -> Finding:
    return Finding(state=State.MISSING, what=what, found=found, remedy=remedy)


def look(what: str, found: str, remedy: str) -> Finding:
    return Finding(state=State.LOOK, what=what, found=found, remedy=remedy)


def unknown(what: str, found: str, remedy: str) -> Finding:
    return Finding(state=State.UNKNOWN, what=what, found=found, remedy=remedy)


def guarded(what: str, check: Callable[[], Iterator[Finding]], expected: type[Exception]) -> Iterator[Finding]:
    """A check's rows; where it cannot ask, a row that says so instead of an end of all checks."""
    try:
        yield from check()
    except expected as error:
        yield unknown(what, f"cannot be told: {error}", "ask with more rights, or look yourself")

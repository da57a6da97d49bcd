"""Before a stack is taken down: what of it is protected. Pulumi deletes all the rest before it comes to that."""

from collections.abc import Iterator
from typing import Any

from tools.problem import Problem
from tools.stack.engine import Engine

MOST_NAMED = 20
# By these fields a cloud itself refuses to delete something, whatever Pulumi thinks of it.
_CLOUD_REFUSES = ("deletionProtection", "enableDeletionProtection")


def refuse(engine: Engine, stack: str) -> None:
    """Raises Problem where something is protected. Asks the state alone: nothing is changed, nor any cloud asked."""
    state: dict[str, Any] = engine.ask("stack", "export", "--stack", stack)
    found = [*_protected((state.get("deployment") or {}).get("resources") or [])]
    if not found:
        return
    more = [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    raise Problem(
        where=f"stack {stack}",
        found="\n".join([f"{len(found)} protected, and nothing was deleted:", *found[:MOST_NAMED], *more]),
        allowed="a stack of which nothing is protected: one that is not is deleted for good, with all that it keeps",
        do=f"Look at what it keeps. If it is to go: write `deletion_protection: false` on the platform of each of its "
        f"sites in Pulumi.{stack}.yaml,\nrun `make up STACK={stack}`, which lifts it, then this again.",
    )


def _protected(resources: list[dict[str, Any]]) -> Iterator[str]:
    """Type and name of each, in the order in which they were made."""
    for one in resources:
        inputs = one.get("inputs") or {}
        # What is marked so was replaced, and goes with the next change.
        if not one.get("delete") and (one.get("protect") or any(inputs.get(name) is True for name in _CLOUD_REFUSES)):
            yield f"{one['type']} {str(one['urn']).rsplit('::', 1)[-1]}"

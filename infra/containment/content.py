"""The content of the file that says what is blocked, read as strictly as gateways do."""

from __future__ import annotations

import json

from infra.containment.arguments import KINDS
from infra.containment.base import Blocked
from infra.problems import Problem, Refused


def read(text: str, where: str) -> Blocked:
    """What is blocked, by kind. Raises Refused with `where` it is."""
    try:
        found = json.loads(text)
        return {kind: tuple(found.get(kind, ())) for kind in KINDS}
    except (ValueError, AttributeError, TypeError):
        problem = Problem(
            where=where,
            found="something else than what this command writes",
            allowed=f"JSON with lists of names: {', '.join(KINDS)}",
            remedy="correct or remove it: until then gateways refuse to take it over",
        )
        raise Refused("the command", [problem]) from None

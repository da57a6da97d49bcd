"""The evidence: each control, the resources that make it so, and what shows it; rules are held to them here and now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra.governance.control import Control, of_profile
from infra.governance.facts import FACTS, Stack
from infra.governance.further_controls import EVERY
from infra.policy.rule import Resource, broken
from infra.policy.rules import RULES


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Resources, by type and name, and what shows of them that the control holds."""

    resources: tuple[str, ...]
    rules: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One control of a stack. `broken` is what rules found; a control that nothing shows has no `shown`."""

    control: str
    says: str
    law: str
    facts: tuple[str, ...]
    shown: tuple[Shown, ...]
    broken: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether something shows it and nothing breaks it."""
        return bool(self.shown) and not self.broken


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A stack's. `resources` are all that it registers."""

    stack: str
    profile: str
    resources: int
    rows: tuple[Row, ...]

    @property
    def data(self) -> dict[str, Any]:
        """For programs."""
        rows = [{**asdict(row), "holds": row.holds} for row in self.rows]
        return {"stack": self.stack, "profile": self.profile, "resources": self.resources, "controls": rows}


def evidence(stack: Stack, seen: Sequence[Resource], controls: Sequence[Control] = EVERY) -> Evidence:
    """Of what a stack registers."""
    profile = stack.config.governance.profile
    return Evidence(
        stack=stack.plan.stack,
        profile=profile,
        resources=len(seen),
        rows=tuple(_row(control, profile, stack, seen) for control in of_profile(controls, profile)),
    )


def _row(control: Control, profile: str, stack: Stack, seen: Sequence[Resource]) -> Row:
    shown = [
        Shown(resources=tuple(sorted(f"{one.type} {one.name}" for one in found)), rules=proof.rules, tests=proof.tests)
        for proof in control.proofs
        if (found := [*proof.found(seen)])
    ]
    named = {name for one in shown for name in one.rules}
    law = control.laws.get(profile) or "; ".join(f"{name}: {place}" for name, place in control.laws.items())
    return Row(
        control=control.name,
        says=control.says,
        law=law,
        facts=tuple(FACTS[control.fact](stack)) if control.fact else (),
        shown=tuple(shown),
        broken=tuple(_broken(named, seen)),
    )


def _broken(names: set[str], seen: Sequence[Resource]) -> Iterator[str]:
    for rule in RULES:
        if rule.name in names:
            yield from (f"rule `{rule.name}`: {found}" for found in broken(rule, seen))

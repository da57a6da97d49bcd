"""What a control is: what must be so, where law asks for it, which resources make it so, and what shows that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from infra.policy.rule import Resource


@dataclass(frozen=True, kw_only=True)
class Proof:
    """`resources` are patterns of `TYPE NAME`; `rules` are names of policy rules, held whenever this is asked; `tests`
    are those that hold it in the project. It counts where a stack has one of the resources."""

    resources: tuple[str, ...]
    rules: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    def found(self, seen: Sequence[Resource]) -> Iterator[Resource]:
        """Those of a stack that make it so."""
        for one in seen:
            if any(fnmatchcase(f"{one.type} {one.name}", pattern) for pattern in self.resources):
                yield one


@dataclass(frozen=True, kw_only=True)
class Control:
    """`laws` says where each profile's law asks for it; a profile that is not in it does not have it. `fact` names
    what the plan says of it (`infra/governance/facts.py`). One that is `declared` rests on what a user says of places
    and agreements, which only a profile asks for."""

    name: str
    says: str
    laws: Mapping[str, str]
    proofs: tuple[Proof, ...]
    fact: str | None = None
    declared: bool = False


def of_profile(controls: Sequence[Control], profile: str) -> tuple[Control, ...]:
    """Those that a profile has; `none` has what every deployment is, whatever its law."""
    if profile == "none":
        return tuple(control for control in controls if not control.declared)
    return tuple(control for control in controls if profile in control.laws)

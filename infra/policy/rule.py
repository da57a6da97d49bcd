"""What a rule is: something that every resource, or a stack as a whole, must be, and how it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.render.registrations import Registration, plain


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, as a rule sees it. `uses` are the URNs of those that its properties were made from."""

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    protect: bool = False
    uses: frozenset[str] = frozenset()


Broken = Iterator[str]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Holds for each resource alone. `control` is its number in the list of controls; `check` yields what is broken."""

    name: str
    control: str
    says: str
    check: Callable[[Resource], Broken]


@dataclass(frozen=True, kw_only=True)
class StackRule:
    """Holds for all resources of a stack together."""

    name: str
    control: str
    says: str
    check: Callable[[Sequence[Resource]], Broken]


def resource(registration: Registration) -> Resource:
    """A recorded registration, as a rule sees it."""
    return Resource(
        type=registration.type,
        name=registration.name,
        urn=registration.urn,
        props=plain(dict(registration.inputs)),
        protect=registration.protect,
        uses=frozenset(urn for urns in registration.property_dependencies.values() for urn in urns),
    )


def broken(rule: Rule | StackRule, resources: Sequence[Resource]) -> list[str]:
    """What breaks one rule, each with the resource where it is one."""
    if isinstance(rule, StackRule):
        return [*rule.check(resources)]
    return [f"{one.type} {one.name}: {found}" for one in resources for found in rule.check(one)]

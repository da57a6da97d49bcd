"""Rights on AWS by the type of what they are for, and the statements that they become for one site of a stack."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from infra.bootstrap.stack_names import StackName
from infra.platforms.aws.policies import Statement, allow, document

STACK_TAG = "slipway:stack"
# What a managed policy may have at most, without white space (IAM quotas, 2026-11), and how many a role may have.
POLICY_CHARACTERS, POLICIES_OF_A_ROLE = 6144, 10
# Which things: those that are made with the tag of the stack, those that have it, what EKS makes for the cluster, or
# what nobody has tagged yet.
When = Literal["made", "own", "of_cluster", "unclaimed", "named"]


@dataclass(frozen=True, kw_only=True)
class Right:
    """Actions on things, by patterns of their ARNs: `{region}`, `{account}`, `{zone}`, a site's `{full}` name and
    `{prefix}`. `why` says why `*` is all that AWS knows."""

    actions: tuple[str, ...]
    on: tuple[str, ...]
    when: When = "named"
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What a type needs: to be looked at, and to be made, changed and removed."""

    reads: tuple[Right, ...]
    writes: tuple[Right, ...] = ()


def right(actions: str, *on: str, when: When = "named", why: str = "", **conditions: Mapping[str, Any]) -> Right:
    """One line of a table: `"ec2:CreateVpc ec2:DeleteVpc"`."""
    return Right(actions=tuple(actions.split()), on=on, when=when, why=why, conditions=conditions)


def statements(rights: Iterable[Right], name: StackName, account: str, zone: str, boundary: str) -> list[Statement]:
    """Rights of one site, with those on the same things together. Their order is that of the table."""
    together: dict[str, tuple[Right, list[str]]] = {}
    for one in rights:
        _, actions = together.setdefault(repr((one.on, one.when, one.conditions)), (one, []))
        actions += [action for action in one.actions if action not in actions]
    values = {**vars(name), "account": account, "zone": zone, "boundary": boundary}
    return [
        allow(f"S{index}", sorted(actions), [on.format(**values) for on in one.on], _conditions(one, name, values))
        for index, (one, actions) in enumerate(together.values())
    ]


def _conditions(one: Right, name: StackName, values: Mapping[str, str]) -> dict[str, Any]:
    tag = {
        "made": {"StringEquals": {f"aws:RequestTag/{STACK_TAG}": name.stack}},
        # Whoever changes tags does not give a thing away.
        "own": {
            "StringEquals": {f"aws:ResourceTag/{STACK_TAG}": name.stack},
            "StringEqualsIfExists": {f"aws:RequestTag/{STACK_TAG}": name.stack},
        },
        "of_cluster": {"StringEquals": {"aws:ResourceTag/aws:eks:cluster-name": name.full}},
        "unclaimed": {
            "StringEquals": {f"aws:RequestTag/{STACK_TAG}": name.stack},
            "Null": {f"aws:ResourceTag/{STACK_TAG}": "true"},
        },
        "named": {},
    }[one.when]
    found: dict[str, Any] = {operator: dict(keys) for operator, keys in tag.items()}
    for operator, keys in one.conditions.items():
        filled = {
            key: value.format(**values) if isinstance(value, str) else [inner.format(**values) for inner in value]
            for key, value in keys.items()
        }
        found[operator] = {**found.get(operator, {}), **filled}
    return found


def packed(all_statements: Sequence[Statement]) -> list[str]:
    """As few documents as these take, each as long as AWS allows; in order, so that what is added changes the end."""
    documents: list[list[Statement]] = [[]]
    for statement in all_statements:
        if _length([*documents[-1], statement]) > POLICY_CHARACTERS:
            documents.append([])
        documents[-1].append(statement)
    return [_compact(each) for each in documents if each]


def _length(held: Sequence[Statement]) -> int:
    return len(_compact(held))


def _compact(held: Sequence[Statement]) -> str:
    """Without names, which only take room, and without white space."""
    plain = [{key: value for key, value in each.items() if key != "Sid"} for each in held]
    return json.dumps(json.loads(document(*plain)), sort_keys=True, separators=(",", ":"))

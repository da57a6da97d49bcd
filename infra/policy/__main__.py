"""The policy pack: `pulumi preview --policy-pack infra/policy`. Every rule is mandatory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

# Pulumi runs this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.policy.rule import Resource, Rule, StackRule
from infra.policy.rules import RULES
from infra.problems import Problem, Refused

NOT_INSTALLED = Problem(
    where="infra/policy",
    found="no package `pulumi_policy`, with which Pulumi checks the rules",
    allowed="the extra `policy` in .venv",
    remedy="run `tools/python/install policy`, then the same command again",
)

try:
    # An extra that most have not installed, and without types.
    policy: Any = import_module("pulumi_policy")
    # It needs the extra too.
    known: Any = import_module("infra.policy.known").known
except ModuleNotFoundError:
    sys.exit(str(Refused("the policy pack", [NOT_INSTALLED])))


def _resource(found: Any, uses: frozenset[str] = frozenset()) -> Resource:
    return Resource(
        type=found.resource_type,
        name=found.name,
        urn=found.urn,
        props=known(found.props),
        protect=found.opts.protect,
        uses=uses,
    )


def _of_a_resource(rule: Rule) -> Any:
    def validate(arguments: Any, report: Callable[[str], None]) -> None:
        for found in rule.check(_resource(arguments)):
            report(found)

    return policy.ResourceValidationPolicy(rule.name, f"{rule.control}: {rule.says}", validate)


def _of_a_stack(rule: StackRule) -> Any:
    def validate(arguments: Any, report: Callable[[str], None]) -> None:
        every = [
            _resource(one, frozenset(used.urn for many in one.property_dependencies.values() for used in many))
            for one in arguments.resources
        ]
        for found in rule.check(every):
            report(found)

    return policy.StackValidationPolicy(rule.name, f"{rule.control}: {rule.says}", validate)


policy.PolicyPack(
    "slipway",
    enforcement_level=policy.EnforcementLevel.MANDATORY,
    policies=[_of_a_stack(rule) if isinstance(rule, StackRule) else _of_a_resource(rule) for rule in RULES],
)

"""Reads what a user writes about day one and reports every problem in it at once, each by its YAML path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from pydantic import ValidationError

from infra.bootstrap.config import BOOTSTRAP_KEY, BootstrapSettings
from infra.bootstrap.plan import bootstrap_plan
from infra.bootstrap.rights import POLICIES_OF_A_ROLE
from infra.bootstrap.stack_names import StackName, stack_names
from infra.explain import Schema, dotted, explain, presentable
from infra.load import credentials
from infra.problems import Problem, Refused
from infra.references import Found


@cache
def bootstrap_schema() -> Schema:
    """Its JSON schema, whose words errors use."""
    return BootstrapSettings.model_json_schema()


def validate_bootstrap(text: str | None, source: str) -> BootstrapSettings:
    """Settings from what Pulumi hands over, or Refused with everything that is wrong with them."""
    if text is None:
        raise Refused(source, [_nothing()])
    try:
        raw: Any = json.loads(text)
    except ValueError:  # `pulumi config set slipway-bootstrap:bootstrap text`
        raw = text
    found: list[tuple[Any, Problem]] = [*credentials(raw)]
    config = None
    try:
        config = BootstrapSettings.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        secret = [path for path, _ in found]
        found += [one for one in explain(error, raw, bootstrap_schema()) if one[0] not in secret]
    else:
        found += [*_names_in_one_another(config), *_too_many_sites(config), *_nobody_to_tell(config)]
    problems = [replace(problem, where=dotted(BOOTSTRAP_KEY, path)) for path, problem in found]
    if problems or config is None:
        raise Refused(
            source, [Problem(**{part: presentable(said) for part, said in asdict(p).items()}) for p in problems]
        )
    return config


def _names_in_one_another(config: BootstrapSettings) -> Found:
    """Rights are by the beginning of names: those of one stack must not begin like another's."""
    names = stack_names(config)
    for one in names:
        for other in names:
            if one.stack != other.stack and _begins(one, other):
                yield (
                    ("stacks", other.stack, "sites", other.site),
                    Problem(
                        where="",
                        found=f"a site whose things are called `{other.prefix}…`, as those of stack `{one.stack}` are "
                        f"(`{one.prefix}…`)",
                        allowed="stacks and sites of which no name begins with another's",
                        remedy="rename one of the stacks",
                    ),
                )


def _begins(one: StackName, other: StackName) -> bool:
    return other.prefix.startswith(one.prefix) or f"{other.full}-".startswith(f"{one.full}-")


def _too_many_sites(config: BootstrapSettings) -> Found:
    """Each site has rights of its own, and a role holds only so many."""
    for role in bootstrap_plan(config).roles:
        if len(role.documents) > POLICIES_OF_A_ROLE:
            yield (
                ("stacks", role.stack, "sites"),
                Problem(
                    where="",
                    found=f"sites whose rights take {len(role.documents)} policies",
                    allowed=f"{POLICIES_OF_A_ROLE} policies, which is what a role may have",
                    remedy="deploy some of the sites as a stack of its own (`slipway:site`)",
                ),
            )


def _nobody_to_tell(config: BootstrapSettings) -> Iterator[tuple[tuple[str, ...], Problem]]:
    watched = [name for name, stack in config.stacks.items() if stack.budget_dollars_per_month]
    if watched and not config.notify:
        yield (
            ("notify",),
            Problem(
                where="",
                found=f"nobody, with a budget of stack `{watched[0]}`",
                allowed="an address, where any stack has `budget_dollars_per_month`",
                remedy="add `notify: [operations@example.com]`, or remove the budget",
            ),
        )


def _nothing() -> Problem:
    return Problem(
        where=BOOTSTRAP_KEY,
        found="nothing",
        allowed=f"`config:` with `{BOOTSTRAP_KEY}:` below it",
        remedy="start from bootstrap/Pulumi.example.yaml",
    )

"""What is wrong with day one's settings is said at once, where it is, as for every other stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.bootstrap.load import validate_bootstrap
from infra.problems import Refused
from tests.on_bootstrap import example
from tests.unit.documents import assert_helpful

KEY = "slipway-bootstrap:bootstrap"
Change = Callable[[dict[str, Any]], Any]


def problems(change: Change) -> list[tuple[str, str]]:
    settings = example()
    change(settings)
    with pytest.raises(Refused) as refused:
        validate_bootstrap(json.dumps(settings), "a stack")
    assert_helpful(refused.value)
    return [(problem.where.removeprefix(f"{KEY}."), problem.found) for problem in refused.value.problems]


def test_the_example_is_right() -> None:
    config = validate_bootstrap(json.dumps(example()), "a stack")
    assert {*config.stacks} == {"prod", "standby"}


def test_nothing_is_told_where_to_start() -> None:
    with pytest.raises(Refused, match=r"start from bootstrap/Pulumi\.example\.yaml"):
        validate_bootstrap(None, "a stack")


SECRET = "hf_" + "AbCdEfGhIjKlMnOpQrStUv"
WRONG: dict[str, tuple[Change, str, str]] = {
    "a number": (lambda s: s.update(account_id=123456789012), "account_id", "the number 123456789012"),
    "a typo": (lambda s: s.update(regoin="us-east-1"), "regoin", "an unknown key"),
    "a repository": (lambda s: s.update(repository="slipway"), "repository", "`slipway`"),
    "no stack": (lambda s: s.update(stacks={}), "stacks", "an empty map"),
    "a zone": (lambda s: s["stacks"]["prod"].update(hosted_zone_id="llm"), "stacks.prod.hosted_zone_id", "`llm`"),
    "a region": (lambda s: s["stacks"]["prod"].update(sites={"main": "us"}), "stacks.prod.sites.main", "`us`"),
    "a name": (lambda s: s["stacks"].update({"x" * 41: s["stacks"]["prod"]}), f"stacks.{'x' * 41}", "x" * 41),
    "nobody": (lambda s: s.update(notify=[]), "notify", "nobody, with a budget of stack `prod`"),
    "a secret": (lambda s: s.update(tags={"a": SECRET}), "tags.a", "a value that looks like a secret (not shown)"),
    "names in one another": (
        lambda s: s["stacks"].update({"prod-main": {**s["stacks"]["standby"], "sites": {"eu": "us-west-2"}}}),
        "stacks.prod-main.sites.eu",
        "a site whose things are called `slipway-prod-main-eu-…`",
    ),
    "names cut short": (
        lambda s: s.update(
            stacks={
                f"a-very-long-stack-name-{end}": {**s["stacks"]["standby"], "sites": {"main": "us-west-2"}}
                for end in ("east", "west")
            },
        ),
        "stacks.a-very-long-stack-name-west.sites.main",
        "a site whose things are called `slipway-a-very-long-stack-na-…`",
    ),
    "too many sites": (
        lambda s: s["stacks"]["standby"].update(sites=dict.fromkeys(("a", "b", "c"), "us-west-2")),
        "stacks.standby.sites",
        "sites whose rights take",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str) -> None:
    change, where, found = WRONG[case]
    said = problems(change)
    assert [one for one in said if one[0] == where and found in one[1]], said
    assert SECRET not in str(said)


def test_all_of_it_is_said_at_once() -> None:
    def change(settings: dict[str, Any]) -> None:
        settings.update(region="us", deletion_protection="no")
        del settings["repository"]

    assert [where for where, _ in problems(change)] == ["region", "repository", "deletion_protection"]

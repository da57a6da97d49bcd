"""The same configuration as Pulumi hands it to a running program: text, no lines, and which keys are secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pulumi.runtime import config as pulumi_config

from infra.load import load_file, load_pulumi
from infra.problems import Refused
from infra.stack_file import read_stack_file
from tests.unit.documents import CORPUS, assert_helpful, deployment_of

MINIMAL = CORPUS / "minimal.happy.yaml"
VALID = json.dumps(deployment_of(read_stack_file(MINIMAL).values))

Run = Callable[..., None]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Sets what Pulumi would pass to a program; afterwards nothing of it is left."""
    before = dict(pulumi_config.CONFIG.get())

    def run(values: dict[str, str], secret: tuple[str, ...] = ()) -> None:
        pulumi_config.set_all_config(values, list(secret))
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(values))
        monkeypatch.setenv("PULUMI_STACK", "case")

    yield run
    pulumi_config.set_all_config(before, [])


def problems() -> list[tuple[str, str]]:
    with pytest.raises(Refused) as refused:
        load_pulumi()
    assert_helpful(refused.value)
    assert refused.value.source == "the configuration of stack `case`"
    return [(problem.where, problem.found) for problem in refused.value.problems]


def test_it_is_the_same_configuration_as_in_the_file(stack: Run) -> None:
    stack({"slipway:deployment": VALID, "aws:region": "us-east-1"})
    assert load_pulumi() == load_file(MINIMAL)


def test_secrets_beside_the_deployment_are_fine(stack: Run) -> None:
    keys = ("slipway:client_keys", "slipway:huggingface_token")
    stack({"slipway:deployment": VALID, keys[0]: '{"dev": "correct-horse"}', keys[1]: "hf_AbCd"}, secret=keys)
    assert load_pulumi() == load_file(MINIMAL)


def test_no_deployment(stack: Run) -> None:
    stack({"slipway:deploymnt": VALID})
    assert problems() == [
        ("slipway:deployment", "no deployment"),
        ("slipway:deploymnt", "a key that this project does not read"),
    ]


def test_text_that_is_no_json(stack: Run) -> None:
    stack({"slipway:deployment": "dev"})
    assert problems() == [("slipway:deployment", "`dev`")]


def test_secrets_in_plain_text(stack: Run) -> None:
    stack({"slipway:deployment": VALID, "slipway:client_keys": '{"dev": "correct-horse"}'})
    assert problems() == [("slipway:client_keys", "a secret in plain text (not shown)")]


def test_a_secret_inside_the_deployment_which_pulumi_has_already_decrypted(stack: Run) -> None:
    raw: Any = json.loads(VALID)
    raw["clients"]["dev"]["api_key"] = "correct-horse"
    stack({"slipway:deployment": json.dumps(raw)}, secret=("slipway:deployment",))
    assert problems() == [
        ("slipway:deployment", "an encrypted value inside the deployment"),
        ("slipway:deployment.clients.dev.api_key", "an unknown key `api_key`"),
    ]


def test_problems_have_paths_and_no_lines(stack: Run) -> None:
    raw: Any = json.loads(VALID)
    raw["models"]["chat"]["context_tokens"] = "4k"
    raw["clients"]["dev"]["models"] = ["chat", "chatt"]
    stack({"slipway:deployment": json.dumps(raw)})
    assert problems() == [
        ("slipway:deployment.models.chat.context_tokens", "`4k`"),
        ("slipway:deployment.clients.dev.models[1]", "`chatt`, which is not among the models"),
    ]

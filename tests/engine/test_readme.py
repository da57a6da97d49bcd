"""The README's commands and examples, run as a reader would: in order, in a checkout of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from tests.engine.checkout import ROOT, Checkout
from tests.one_model import one_model

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# Running all tests inside a test would never end.
COMMANDS = [text for language, text in BLOCKS if language == "sh" and text != "make test\n"]
EXAMPLES = [text for language, text in BLOCKS if language == "yaml"]


def test_commands_work_in_the_order_they_are_shown(checkout: Checkout) -> None:
    assert COMMANDS[0] == "make up\n"
    assert COMMANDS[-1] == "make down\n"
    printed = ""
    for command in COMMANDS:
        here = command.replace(":8420", f":{checkout.port}").replace(":8421", f":{checkout.operations_port}")
        here = here.replace(":8422", f":{checkout.admin_port}")
        printed = checkout.run("sh", "-ec", here)
        if "chat/completions" in command:
            assert "The capital of France is Paris." in printed
        if "/metrics" in command:
            assert 'slipway_gateway_requests_total{client="dev",code="200"' in printed
            assert '"ready"' in printed
    assert not checkout.processes()


# The stack that an example changes, by a field that only such an example has.
STACKS = {
    **dict.fromkeys(("engine", "objective", "load_test"), "onprem"),
    "topology": "hybrid",
    "budget": "prod",
    "vpn": "staging",
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_accepted_where_they_belong(example: str) -> None:
    shown = yaml.safe_load(example)
    stack = next((stack for field, stack in STACKS.items() if field in shown), "dev")
    deployment = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]["slipway:deployment"]
    model = next(iter(deployment["models"].values()))
    if stack == "onprem":
        one_model(deployment)
    if "release" in shown:
        of_its_own = {"evaluations", "load_test", "optimisation", "refresh"}
        candidate = {field: written for field, written in model.items() if field not in of_its_own}
        deployment["models"][shown["release"]["candidate"]] = candidate
        deployment["clients"]["dev"]["models"].append(shown["release"]["candidate"])
    if "clients" in shown:
        # Other clients than its trials ask as.
        for trials in ("evaluations", "load_test", "optimisation", "refresh"):
            model.pop(trials, None)
    if "vpn" in shown:
        deployment["sites"]["main"]["platform"].update(shown)
    elif "kind" in shown:
        model["source"] = shown
    elif {"engine", "objective", "load_test", "optimisation", "refresh", "release"} & shown.keys():
        model.update(shown)
    elif "models" in shown:
        deployment["clients"]["dev"] = shown
    else:
        deployment.update(shown)
    plan = build_plan(validate(deployment, "README.md", {}), stack)
    assert all(planned.weights for planned in plan.models.values())


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", README)) | set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))
    assert named <= targets
    assert {"up", "down", "test", "check", "plan", "clean"} <= named


def test_every_path_that_is_named_exists() -> None:
    paths = set(re.findall(r"`((?:infra|serving_image|tests|tools)/[\w./-]+)`", README))
    assert paths
    missing = [path for path in paths if "NAME" not in path and not Path(ROOT, path).exists()]
    assert not missing

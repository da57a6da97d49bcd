"""Experiment 35: no secret in the state, in what previews print, in logs, in plans or in manifests, by canaries."""

from __future__ import annotations

import base64
import json
import re
import stat
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.plugin_values import SECRET, SECRET_MARK
from tests.engine.stacks.deployed import Deployed
from tests.engine.stacks.rows import CLIENT_KEY, SECRETS, with_a_secret
from tests.manifests import ROOT, objects, recorded

pytestmark = pytest.mark.timeout(400)

SHORTEST = 12  # what is shorter (`""`, a name) is in every text
# From 3 on the Pulumi CLI logs the outputs that it is handed, from 9 on every property. Secrets of the configuration
# are struck out up to there, a key that the stack made itself is not. That is its own; the README says so.
LOUD, LOUDEST = 2, 8
# Whoever connects is shown it: marked only because it stands beside its key. One certificate, and nothing else with it.
PUBLIC = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?")
# What a process of ours on this machine reads when it starts, and again when it is restarted: for its owner only.
HANDED_OVER = re.compile(r"/generations/[^/]+/(huggingface_token|secrets-[0-9a-f]+/\w+)$")


def secret_values(state: Any) -> Iterator[str]:
    """Every text that is marked as secret in a state with its secrets shown: those that were given, and those made."""
    if isinstance(state, dict):
        if state.get(SECRET_MARK) == SECRET:
            yield from _texts(json.loads(state["plaintext"]))
            return
        state = list(state.values())
    if isinstance(state, list):
        for inner in state:
            yield from secret_values(inner)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


def forms(value: str) -> set[str]:
    """A secret as it is, as a Secret's data has it, and as it stands inside JSON."""
    return {value, base64.b64encode(value.encode()).decode(), json.dumps(value)[1:-1]}


def planned_files(plan: Any) -> Iterator[str]:
    """What a launcher is told: where files are all in a store of secrets, its own is marked as one, and holds none."""
    if isinstance(plan, dict):
        if plan.get("name") == "launcher" and "content" in plan:
            yield plan["content"]
        plan = list(plan.values())
    for inner in plan if isinstance(plan, list) else ():
        yield from planned_files(inner)


@pytest.fixture
def plan(deployed: Deployed) -> str:
    arguments = ("-m", "infra", "plan", "--stack", deployed.example.name, "--format", "json")
    return deployed.checkout.run(".venv/bin/python", *arguments)


@pytest.fixture
def canaries(deployed: Deployed, plan: str) -> set[str]:
    shown = json.loads(deployed.pulumi("stack", "export", "--show-secrets"))
    given = {CLIENT_KEY, *SECRETS.values()}
    public = {*planned_files(json.loads(plan))}
    found = {text for text in secret_values(shown) if len(text) >= SHORTEST and not PUBLIC.fullmatch(text)} - public
    found |= given
    assert len(found) > len(SECRETS) + 1  # those made by the program too
    return {form for text in found for form in forms(text)}


def _leaks(canaries: set[str], texts: dict[str, str]) -> list[tuple[str, str]]:
    assert all(texts.values()), [name for name, text in texts.items() if not text]
    return [
        (name, text[: text.index(canary)][-200:])
        for name, text in texts.items()
        for canary in canaries
        if canary in text
    ]


def test_no_secret_is_in_any_output_file_or_log(deployed: Deployed, canaries: set[str], plan: str) -> None:
    checkout, stack = deployed.checkout, deployed.example.name
    kept = checkout.stack_file.read_text()
    new = {key: f"changed-{value}" for key, value in SECRETS.items()}
    arguments = [part for key, value in new.items() for part in ("--secret", f"{key}={value}")]
    checkout.pulumi("config", "set-all", "--stack", stack, "--path", *arguments)
    try:
        texts = {
            "preview --diff of changed secrets": deployed.pulumi("preview", "--diff", "--refresh"),
            "preview --json of changed secrets": deployed.pulumi("preview", "--json"),
            "verbose log": deployed.pulumi("preview", "--diff", f"-v={LOUD}", "--logtostderr", "--logflow"),
        }
        loudest = deployed.pulumi("preview", "--diff", f"-v={LOUDEST}", "--logtostderr", "--logflow")
    finally:
        checkout.stack_file.write_text(kept)
    assert "~" in texts["preview --diff of changed secrets"]
    texts |= {
        "first preview": deployed.previewed,
        "first up": deployed.printed,
        "stack output": deployed.pulumi("stack", "output", "--json"),
        "stack export": deployed.pulumi("stack", "export"),
        "plan as JSON": plan,
    }
    for path in (checkout.folder / ".slipway").rglob("*"):
        if HANDED_OVER.search(str(path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        elif path.is_file() and path.stat().st_size:
            texts[str(path.relative_to(checkout.folder))] = path.read_bytes().decode(errors="replace")
    assert f".slipway/state/.pulumi/stacks/slipway/{stack}.json" in texts
    assert not _leaks(canaries, texts)
    shown = json.loads(deployed.pulumi("stack", "output", "--json", "--show-secrets"))["client_keys"].values()
    made = {form for key in shown if key != CLIENT_KEY for form in forms(key)}
    assert not _leaks(canaries - made, {"loudest log": loudest})


def test_no_secret_is_in_manifests(deployed: Deployed) -> None:
    found = objects(recorded(ROOT / f"Pulumi.{deployed.example.name}.yaml", with_a_secret))
    assert "canary-" not in yaml.safe_dump_all(found)

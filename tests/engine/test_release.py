"""A release on this machine with the real CLI and real engines: promoted by its judge, and undone by no deployment."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.engine.checkout import Checkout


def releasing(deployment: dict[str, Any]) -> None:
    """The model twice: another version of it is only another one to gateways. Some 30 answers decide."""
    models = deployment["models"]
    chat = models["chat"]
    for of_its_own in ("evaluations", "load_test", "optimisation", "refresh", "objective"):
        del chat[of_its_own]
    models["next"] = {**chat}
    chat["release"] = {
        "kind": "canary",
        "candidate": "next",
        "steps": [50, 100],
        "hold_minutes": 0,
        "abort_on": {"error_rate_percent": 20, "evaluation": "facts"},
    }
    question = {"prompt": "Tell me the capital of France.", "contains": ["Paris"]}
    chat["evaluations"] = {"facts": {"kind": "prompts", "client": "dev", "cases": {"capital": question}}}
    deployment["clients"]["dev"] |= {"requests_per_minute": 60_000, "models": ["chat", "next"]}


@contextmanager
def asking(checkout: Checkout, key: str) -> Iterator[list[str]]:
    """A client that never stops; what it got instead of answers."""
    on, wrong = threading.Event(), list[str]()
    on.set()

    def ask() -> None:
        while on.is_set():
            answer = checkout.ask(key, "Hi", max_tokens=1)
            if answer == "refused" or answer.startswith("HTTP"):
                wrong.append(answer)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        on.clear()
        thread.join(90)


def percent(checkout: Checkout) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{checkout.operations_port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return next(line.rpartition(" ")[2] for line in lines if line.startswith("slipway_gateway_release_percent{"))


@pytest.mark.timeout(600)
def test_a_release_is_judged_and_no_deployment_undoes_it(checkout: Checkout) -> None:
    checkout.change(releasing)
    checkout.up()
    key = checkout.key()
    command = (".venv/bin/python", "-m", "infra", "release", "--stack", "dev")
    assert "not begun" in checkout.run(*command)
    assert percent(checkout) == "0.0"
    with asking(checkout, key) as wrong:
        # Who judges without the keys of who asks is told how it is done; with them it asks, before each step.
        assert "make release" in checkout.run(*command, "--judge", check=False)
        printed = checkout.run("make", "release")
        assert "done at 100 %" in printed
        assert "facts" in printed
        assert percent(checkout) == "100.0"
        checkout.pulumi("up", "--yes", "--skip-preview", "--stack", "dev", "--expect-no-changes")
        checkout.pulumi("refresh", "--yes", "--skip-preview", "--stack", "dev")
        assert percent(checkout) == "100.0"
        # Another generation of everything begins where this one was.
        before = checkout.generation()
        checkout.change(lambda deployment: deployment["models"]["next"].update(context_tokens=3072))
        assert "1 updated" in checkout.up()
        assert checkout.generation() != before
        assert percent(checkout) == "100.0"
        # A person takes it back, also when nobody judges.
        assert "rolled back at 0 %" in checkout.run(*command, "--abort")
        for _ in range(300):
            if percent(checkout) == "0.0":
                break
            threading.Event().wait(0.1)
        assert percent(checkout) == "0.0"
    assert not wrong

"""What is weaker than it could be is said by name, and nothing is said of a deployment that is not."""

from __future__ import annotations

from typing import Any

import pytest

from infra.load import validate
from infra.plan.weakenings import gateway_warnings
from infra.stack_file import read_stack_file
from tests.unit.documents import CORPUS, deployment_of

REMOTE = {"upstreams": {"vendor": {"kind": "openai", "url": "https://api.example.com", "boundary": "cloud"}}}
READABLE = {"kind": "openai", "url": "http://10.0.0.9", "boundary": "local"}
STORE = {"kind": "redis", "url": {"secret": "redis"}}


def guarded(url: str, **more: Any) -> dict[str, Any]:
    """A set of rules with one hook."""
    return {"strict": {"before": {"guard": {"kind": "moderation", "url": url, **more}}}}


def warnings(**changes: Any) -> list[str]:
    """Of a deployment with one client that has a limit, after these changes."""
    raw: Any = deployment_of(read_stack_file(CORPUS / "minimal.happy.yaml").values)
    raw["clients"]["dev"] = {"models": ["chat"], "requests_per_minute": 60, **changes.pop("client", {})}
    raw["models"]["chat"] |= changes.pop("model", {})
    return list(gateway_warnings(validate({**raw, **changes}, "the stack", {})))


def test_the_defaults_are_not_weak() -> None:
    assert warnings() == []
    assert warnings(gateway={"limits_store": STORE}) == []
    assert warnings(remote_models={"cloud": REMOTE}) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client": {"requests_per_minute": None}}, "no limit of any kind for `dev`"),
        ({"client": {"priority": 5}}, "`priority` of `dev` decides nothing"),
        ({"gateway": {"audit": None}}, "no audit is kept"),
        ({"gateway": {"limits_store": {**STORE, "when_away": "local"}}}, "`gateway.limits_store.when_away: local`"),
        ({"gateway": {"limits": {"keep_alive_seconds": 64}}}, "idle connections are closed after 64 s"),
        ({"gateway": {"cache": {"kind": "memory"}}}, "nothing is cached"),
        ({"gateway": {"guardrails": guarded("http://10.0.0.9/judge")}}, "the hook `guard` is asked over plain HTTP"),
        ({"gateway": {"guardrails": guarded("https://judge.example.com/", on_failure="pass")}}, "cannot judge passes"),
        ({"gateway": {"tls": {"self_signed": True}}}, "`gateway.tls.self_signed`"),
        ({"client": {"privacy": {"mode": "mask", "media": "allow"}}}, "pass unscanned"),
        ({"remote_models": {"cloud": REMOTE}, "model": {"fallbacks": ["cloud"]}}, "may go to `cloud`"),
        ({"model": {"upstreams": {"lab": READABLE}}}, "upstream `lab` of model `chat` is asked over plain HTTP"),
        (
            {"gateway": {"privacy": {"recogniser": {"url": "http://10.0.0.9/find", "kinds": ["person"]}}}},
            "`gateway.privacy.recogniser` is asked over plain HTTP",
        ),
        (
            {"gateway": {"audit": {"otlp_logs": {"url": "http://logs.example.com/v1/logs"}}}},
            "`gateway.audit.otlp_logs` is asked over plain HTTP",
        ),
    ],
)
def test_each_weakening_is_named(changes: dict[str, Any], said: str) -> None:
    if "remote_models" in changes:
        changes["remote_models"]["cloud"] |= {"context_tokens": 4096}
    (warning,) = warnings(**changes)
    assert said in warning


@pytest.mark.parametrize(
    "changes",
    [
        {"client": {"priority": 5}, "model": {"queue": {}}},
        {"gateway": {"limits": {"keep_alive_seconds": 65}}},
        {"gateway": {"cache": {"kind": "memory"}}, "client": {"cache": True}},
        {"gateway": {"guardrails": guarded("http://127.0.0.1:9/judge")}},
        {"client": {"data_class": "restricted"}, "remote_models": {"cloud": REMOTE}, "model": {"fallbacks": ["cloud"]}},
        {"model": {"upstreams": {"own": {**READABLE, "url": "http://127.0.0.1:8000"}}}},
        {"client": {"requests_per_minute": None, "per_model": {"chat": {"tokens_per_day": 5}}}},
    ],
)
def test_what_is_strong_enough_is_not_warned_of(changes: dict[str, Any]) -> None:
    assert warnings(**changes) == []

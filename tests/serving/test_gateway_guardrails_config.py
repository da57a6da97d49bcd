"""The guardrails part of the configuration: every problem at once, each in four parts, and what a reload does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.config import ConfigProblem, load_config
from tests.serving.gateway_process import start_gateway
from tests.serving.guarded import HOOK, ask, guarded_configuration, outcome, user
from tests.serving.upstream import FakeEngine


def problems_of(folder: Path, config: dict[str, Any]) -> list[str]:
    file = folder / "gateway.json"
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigProblem) as caught:
        load_config(file)
    return [problem.removeprefix(f"{file}: ") for problem in caught.value.problems]


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "problem_rules.py").write_text(HOOK)
    own = {"kind": "python", "folder": str(tmp_path)}
    rules = {
        "deny_patterns": {"ahead": "(?=x)", "empty": "x*", "open": "a)(b", "good": "x"},
        "deny_answer_patterns": {"back": r"(a)\1"},
        "media_hosts": ["good.example.com", "https://bad.example.com/path"],
        "tool_hosts": ["user@bad"],
        "before": {
            "missing": {**own, "implementation": "no_such_module_anywhere:Rules"},
            "absent": {**own, "implementation": "problem_rules:Absent"},
            "blocking": {**own, "implementation": "problem_rules:Blocking"},
            "arguments": {**own, "implementation": "problem_rules:Arguments"},
            "raising": {**own, "implementation": "problem_rules:Raising"},
            "url": {"kind": "moderation", "url": "localhost:8000"},
            "model": {"kind": "moderation", "url": "http://127.0.0.1:9", "style": "chat"},
            "key": {"kind": "moderation", "url": "http://127.0.0.1:9", "key_file": str(tmp_path / "none.key")},
        },
        "after": {"after": {**own, "implementation": "problem_rules:Blocking"}},
    }
    config = guarded_configuration("http://127.0.0.1:9", tmp_path, {"strict": rules}, web={"guardrails": "strcit"})
    found = problems_of(tmp_path, config)
    at = "guardrails.strict"
    expected = (
        (f"{at}.deny_patterns.ahead", "a pattern that cannot be used (invalid perl operator"),
        (f"{at}.deny_patterns.empty", "a pattern that cannot be used (it matches the empty text)"),
        (f"{at}.deny_patterns.open", "a pattern that cannot be used ("),
        (f"{at}.deny_answer_patterns.back", "a pattern that cannot be used (invalid escape"),
        (f"{at}.media_hosts[1]", "something else"),
        (f"{at}.tool_hosts[0]", "something else"),
        (f"{at}.before.missing.implementation", "ModuleNotFoundError (No module named 'no_such_module_anywhere')"),
        (f"{at}.before.absent.implementation", "AttributeError ("),
        (f"{at}.before.blocking.implementation", "no coroutine `before` in it"),
        (f"{at}.before.arguments.implementation", "a coroutine `before` that takes other arguments"),
        (f"{at}.before.raising.implementation", "RuntimeError (cannot be made)"),
        (f"{at}.before.url.url", "something else"),
        (f"{at}.before.model.model", "nothing"),
        (f"{at}.before.key.key_file", "FileNotFoundError reading "),
        (f"{at}.after.after.implementation", "no coroutine `after` in it"),
        ("clients.web.guardrails", "another name (not shown)"),
    )
    assert len(found) == len(expected), found
    for (where, what), problem in zip(expected, found, strict=True):
        assert problem.startswith(f"{where}: found {what}"), problem
        assert "; allowed is " in problem


@pytest.mark.parametrize(
    "fields",
    [
        {"deny_pattern": {}},
        {"deny_patterns": {"Name": "x"}},
        {"deny_patterns": {"name": ""}},
        {"before": {"a": {"kind": "shell"}}},
        {"before": {"a": {"kind": "python", "implementation": "no colon"}}},
        {"after": {"a": {"kind": "moderation", "url": "http://a", "on_failure": "ignore"}}},
        {"after": {"a": {"kind": "moderation", "url": "http://a", "timeout_milliseconds": 0}}},
    ],
    ids=str,
)
def test_shapes_are_strict(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert len(problems_of(tmp_path, guarded_configuration("http://127.0.0.1:9", tmp_path, {"strict": fields}))) == 1


def test_a_reload_changes_rules_and_one_that_cannot_load_does_not(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        config = guarded_configuration(engine.url, tmp_path, {"strict": {"deny_patterns": {"one": "first"}}})
        with start_gateway(tmp_path, config) as gateway:

            def reload(pattern: str) -> str:
                config["guardrails"]["strict"]["deny_patterns"]["one"] = pattern
                (tmp_path / "gateway.json").write_text(json.dumps(config))
                gateway.hang_up()
                return gateway.notified()

            assert outcome(ask(gateway, "strict", user("first"))) == (400, "guardrail_refused")
            assert reload("second").startswith("reloaded ")
            assert ask(gateway, "strict", user("first")).status == 200
            assert outcome(ask(gateway, "strict", user("second"))) == (400, "guardrail_refused")
            assert "deny_patterns.one" in reload("(")
            assert outcome(ask(gateway, "strict", user("second"))) == (400, "guardrail_refused")

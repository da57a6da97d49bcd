"""Guardrails on what a client sends: deny patterns, media and tool addresses, and the client's system policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.audit_files import rows, stop, wait_for_rows
from tests.serving.gateway_process import KEY, GatewayProcess, chat, start_gateway
from tests.serving.guarded import CANARY, POLICY, ask, guarded_configuration, outcome, said, user
from tests.serving.upstream import FakeEngine

REFUSED = (400, "guardrail_refused")
SETS: dict[str, Any] = {
    "worded": {
        "deny_patterns": {
            "project": r"(?i)project\s+nightfall",
            "begins": "^DROP",
            "number": "7788990011",
            "mail": "@denied",
        },
        "deny_answer_patterns": {"verdict": r"forbidden \d+"},
    },
    "listed": {
        "media_hosts": ["cdn.example.com", "*.img.example.com", "http://files.local:8080", "data:"],
        "tool_hosts": ["tools.example.com"],
    },
    "bare": {"media_hosts": []},
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("guardrails")
    told = {"system_policy": POLICY}
    private = {"mode": "tokenise", "kinds": {}}
    config = guarded_configuration(
        engine.url,
        folder,
        SETS,
        told=told,
        counted={**told, "tokens_per_minute": 1000},
        uncounted={"tokens_per_minute": 1000},
        secretive={**told, "privacy": private},
        replaced={"guardrails": "worded", "privacy": private},
    )
    with start_gateway(folder, config) as running:
        yield running


def tool(arguments: str) -> dict[str, Any]:
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"model": "ok", "messages": [{"role": "assistant", "tool_calls": [call]}]}


WORDED: list[dict[str, Any]] = [
    user("about Project  Nightfall"),
    user("about Project\u200b Night\u00adfall"),
    user([{"type": "text", "text": "project"}, {"type": "text", "text": "nightfall"}]),
    user("hi", tools=[{"type": "function", "function": {"name": "f", "description": "project nightfall"}}]),
    user("hi", tools=[{"type": "function", "function": {"name": "f", "parameters": {"project nightfall": {}}}}]),
    user("hi\nDROP TABLE"),
    user("hi", metadata={"n": [7788990011]}),
    tool('{"of": "project \\u006eightfall"}'),
    tool(json.dumps({"inner": '{"of": "project \\u006eightfall"}'})),
    {"model": "ok", "messages": [{"role": "system", "content": "project nightfall"}, {"role": "user", "content": "a"}]},
]


@pytest.mark.parametrize("body", WORDED, ids=lambda body: json.dumps(body)[-50:])
def test_deny_patterns_see_every_text(gateway: GatewayProcess, engine: FakeEngine, body: dict[str, Any]) -> None:
    calls = len(engine.calls)
    assert outcome(ask(gateway, "worded", body)) == REFUSED
    assert len(engine.calls) == calls
    assert ask(gateway, "listed", body).status == 200, "another client has other rules"
    assert gateway.request(body=body).status == 200, "a client without any has none"


def test_other_endpoints_and_other_texts(gateway: GatewayProcess) -> None:
    denied = "a project nightfall"
    assert outcome(ask(gateway, "worded", {"model": "ok", "prompt": ["x", denied]}, "/v1/completions")) == REFUSED
    assert outcome(ask(gateway, "worded", {"model": "embed", "input": denied}, "/v1/embeddings")) == REFUSED
    for body, path in (
        ({"model": "ok", "prompt": [1, 2, 3]}, "/v1/completions"),
        ({"model": "ok", "prompt": [[1, 2, 3]]}, "/v1/completions"),
        ({"model": "embed", "input": [1, 2]}, "/v1/embeddings"),
        (user("x", prompt_token_ids=[1]), "/v1/chat/completions"),
    ):
        answer = ask(gateway, "worded", body, path)
        assert outcome(answer) == REFUSED
        assert "tokens" in answer.error["message"]
    assert said(ask(gateway, "worded", user("the project by nightfall"))) == "the project by nightfall"


def test_patterns_see_what_the_client_sent_not_what_privacy_makes_of_it(gateway: GatewayProcess) -> None:
    assert outcome(ask(gateway, "replaced", user("write to ada@denied.example"))) == REFUSED
    assert said(ask(gateway, "replaced", user("write to ada@example.org"))) == "write to ada@example.org"


def image(url: Any, **fields: Any) -> list[Any]:
    return [{"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": url}, **fields}]


MEDIA_GOOD: list[Any] = [
    "only text",
    image("https://cdn.example.com/a.png?x=1#y"),
    image("HTTPS://CDN.example.com:443/a@b"),
    image("https://a.b.img.example.com/a.png", detail="low"),
    image("http://files.local:8080/a"),
    image(PIXEL),
    [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}],
    [{"type": "file", "file": {"file_data": PIXEL, "filename": "a.pdf"}}],
    [{"type": "text", "text": "see https://evil.example/", "cache_control": {"type": "ephemeral"}}],
]
MEDIA_BAD: list[Any] = [
    image("https://evil.example/a.png"),
    image("https://cdn.example.com@evil.example/a.png"),
    image("https://cdn.example.com:443@evil.example/"),  # not-a-secret
    image("https://cdn.example.com\\@evil.example/"),
    image("https://cdn.example.com.evil.example/"),
    image("https://cdn.example.com./"),
    image("https://cdn.example.com#@evil.example/"),
    image("https://cdn.example.com?@evil.example/"),
    image(" https://cdn.example.com/"),
    image("https://cdn.example.com/\n"),
    image("https://cdn.ex\tample.com/"),
    image("https:cdn.example.com/"),
    image("//cdn.example.com/"),
    image("http://cdn.example.com/"),
    image("https://cdn.example.com:8443/"),
    image("https://img.example.com/"),
    image("https://eximg.example.com/"),
    image("file:///etc/passwd"),
    image("https://сdn.example.com/"),
    image("https://cdn.example.com/ä"),
    image("http://files.local/"),
    image(["https://cdn.example.com/", "https://evil.example/"]),
    [{"type": "image_url", "image_url": "https://evil.example/"}],
    [{"image_url": {"url": "https://evil.example/"}}],
    [{"type": "text", "text": "x", "image_url": {"url": "https://evil.example/"}}],
    [{"type": ["text"], "video_url": {"url": "https://evil.example/"}}],
    [{"type": "file", "file": {"file_id": "file-123"}}],
    [{"type": "input_audio", "input_audio": {"data": "http://evil.example/"}}],
    {"type": "image_url", "image_url": {"url": "https://evil.example/"}},
]


@pytest.mark.parametrize("content", MEDIA_GOOD, ids=lambda content: str(content)[-60:])
def test_media_from_listed_addresses_pass(gateway: GatewayProcess, content: Any) -> None:
    assert ask(gateway, "listed", user(content, "ok")).status == 200


@pytest.mark.parametrize("content", MEDIA_BAD, ids=lambda content: ascii(content)[-60:])
def test_media_from_anywhere_else_are_refused(gateway: GatewayProcess, engine: FakeEngine, content: Any) -> None:
    calls = len(engine.calls)
    answer = ask(gateway, "listed", user(content, "ok"))
    assert outcome(answer) == REFUSED
    assert answer.error["message"].startswith("messages: found an image, sound or file")
    assert len(engine.calls) == calls
    assert ask(gateway, "worded", user(content, "ok")).status == 200, "no list, no check"


def test_an_empty_list_allows_no_media_at_all(gateway: GatewayProcess) -> None:
    assert outcome(ask(gateway, "bare", user(image(PIXEL), "ok"))) == REFUSED
    audio = [{"type": "input_audio", "input_audio": {"data": "UklGRg=="}}]
    assert outcome(ask(gateway, "bare", user(audio, "ok"))) == REFUSED
    assert ask(gateway, "bare", user("text", "ok")).status == 200


TOOLS_GOOD: list[dict[str, Any]] = [
    {"type": "mcp", "server_label": "a", "server_url": "https://tools.example.com/mcp"},
    {"type": "function", "function": {"name": "f", "description": "Opens a page, such as https://evil.example/."}},
    {
        "type": "function",
        "function": {"name": "f", "parameters": {"$schema": "http://json-schema.org/draft-07/schema#"}},
    },
    {"type": "function", "function": {"name": "f", "parameters": {"properties": {"url": {"type": "string"}}}}},
]
TOOLS_BAD: list[dict[str, Any]] = [
    {"type": "mcp", "server_url": "https://evil.example/mcp"},
    {"type": "mcp", "server_url": "tools.evil.example"},
    {"type": "mcp", "server_url": "https://tools.example.com@evil.example"},
    {"type": "mcp", "deep": [{"er": {"anything": "https://evil.example"}}]},
    {"type": "mcp", "anything": " \x01https:evil.example"},
    {"type": "mcp", "anything": "ht\ntps://evil.example"},
    {"type": "mcp", "anything": "HTTPS:\\\\evil.example"},
    {"type": "mcp", "anything": "wss://evil.example"},
    {"type": "mcp", "anything": ["file:///etc/passwd"]},
]


@pytest.mark.parametrize("definition", TOOLS_GOOD, ids=str)
def test_tools_at_listed_addresses_pass(gateway: GatewayProcess, definition: dict[str, Any]) -> None:
    assert ask(gateway, "listed", user("x", "ok", tools=[definition])).status == 200


@pytest.mark.parametrize("definition", TOOLS_BAD, ids=ascii)
def test_tools_anywhere_else_are_refused(gateway: GatewayProcess, definition: dict[str, Any]) -> None:
    answer = ask(gateway, "listed", user("x", "ok", tools=[definition]))
    assert outcome(answer) == REFUSED
    assert answer.error["message"].startswith("tools: found an address")
    assert outcome(ask(gateway, "listed", user("x", "ok", mcp_servers=[definition]))) == REFUSED
    assert ask(gateway, "bare", user("x", "ok", tools=[definition])).status == 200


def seen(engine: FakeEngine) -> dict[str, Any]:
    return engine.calls[-1].body


def test_the_system_policy_stands_in_front(gateway: GatewayProcess, engine: FakeEngine) -> None:
    first = {"role": "system", "content": POLICY}
    hi = {"role": "user", "content": "hi"}
    number = 12345678901234567890123
    assert ask(gateway, "told", {"model": "ok", "messages": [hi], "number": number}).status == 200
    assert (seen(engine)["messages"], seen(engine)["number"]) == ([first, hi], number)
    assert ask(gateway, "told", {"model": "ok", "messages": [{"role": "system", "content": "mine"}, hi]}).status == 200
    assert seen(engine)["messages"] == [{"role": "system", "content": f"{POLICY}\n\nmine"}, hi]
    part = {"type": "text", "text": "mine"}
    assert (
        ask(gateway, "told", {"model": "ok", "messages": [{"role": "developer", "content": [part]}, hi]}).status == 200
    )
    assert seen(engine)["messages"][0]["content"] == [{"type": "text", "text": POLICY}, part]
    assert ask(gateway, "told", {"model": "ok", "prompt": "tell"}, "/v1/completions").status == 200
    assert seen(engine)["prompt"] == f"{POLICY}\n\ntell"
    assert ask(gateway, "told", {"model": "ok", "prompt": ["a", "b"]}, "/v1/completions").status == 200
    assert seen(engine)["prompt"] == [f"{POLICY}\n\na", f"{POLICY}\n\nb"]
    assert ask(gateway, "told", {"model": "embed", "input": "x"}, "/v1/embeddings").status == 200
    assert seen(engine)["input"] == "x"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"prompt": "x", "echo": True}, "/v1/completions"),
        ({"prompt": "x", "prompt_logprobs": 0}, "/v1/completions"),
        ({"prompt": [1, 2]}, "/v1/completions"),
        ({"messages": [{"role": "user", "content": "x"}], "return_token_ids": True}, "/v1/chat/completions"),
        ({"messages": [{"role": "user", "content": "x"}], "chat_template": "{{ 1 }}"}, "/v1/chat/completions"),
    ],
    ids=str,
)
def test_nothing_that_shows_or_evades_the_policy(gateway: GatewayProcess, fields: dict[str, Any], path: str) -> None:
    answer = ask(gateway, "told", {"model": "ok", **fields}, path)
    assert outcome(answer) == REFUSED
    assert POLICY not in answer.body.decode()
    assert (
        ask(gateway, "worded" if "prompt_logprobs" in fields else "listed", {"model": "ok", **fields}, path).status
        == 200
    )
    revealing = ("echo", "prompt_logprobs", "return_token_ids", "chat_template")
    plain = {"model": "ok", **fields, **dict.fromkeys(revealing), "echo": False}
    if fields.get("prompt") != [1, 2]:
        assert ask(gateway, "told", plain, path).status == 200


def test_the_quota_counts_the_policy_and_privacy_leaves_it_alone(gateway: GatewayProcess, engine: FakeEngine) -> None:
    left = {}
    for client in ("counted", "uncounted"):
        answer = ask(gateway, client, user("x", "nohdr", max_tokens=1, stream=True))
        left[client] = int(answer.headers["x-ratelimit-remaining-tokens"])
    assert left["counted"] < left["uncounted"] - 5
    assert ask(gateway, "secretive", user("mail ada@example.org", "ok")).status == 200
    policy, message = seen(engine)["messages"]
    assert policy["content"] == POLICY
    assert "ada@example.org" not in message["content"]


def test_what_was_refused_is_in_audit_and_metric_and_no_text_anywhere(engine: FakeEngine, tmp_path: Path) -> None:
    config = guarded_configuration(engine.url, tmp_path, SETS, told={"system_policy": POLICY})
    config["audit"] = {"folder": str(tmp_path / "audit")}
    config["telemetry"] = {"clients": 100}
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
        answers = [
            ask(gateway, "worded", user(f"{CANARY} project nightfall")),
            ask(gateway, "listed", user(image(f"https://evil.example/{CANARY}"))),
            ask(gateway, "listed", user(CANARY, tools=[{"server_url": f"https://{CANARY}"}])),
            ask(gateway, "worded", user(f"{CANARY} forbidden 7")),
            ask(gateway, "told", {"model": "ok", "prompt": CANARY, "echo": True}, "/v1/completions"),
            ask(gateway, "told", user(CANARY)),
        ]
        assert [outcome(answer) for answer in answers] == [*[REFUSED] * 5, (200, "")]
        for answer in answers[:5]:
            assert answer.error["type"] == "invalid_request_error"
            for word in (CANARY, "nightfall", "forbidden", "project", "example", POLICY):
                assert word not in answer.body.decode()
        for rule, client in (
            ("deny_pattern:project", "worded"),
            ("deny_answer_pattern:verdict", "worded"),
            ("media_host", "listed"),
            ("tool_host", "listed"),
        ):
            labels = f'client="{client}",decision="refused",model="echo",rule="{rule}"'
            assert gateway.metric(f"slipway_gateway_guardrail_decisions_total{{{labels}}}") == 1, rule
        assert gateway.metric('slipway_gateway_refusals_total{reason="guardrail_refused"}') == 5
        wait_for_rows(tmp_path / "audit", 6)
        lines = gateway.log()
        assert stop(gateway) == 0
    assert [(row["decisions"], row["reason"]) for row in rows(tmp_path / "audit")] == [
        (["guardrail:deny_pattern:project"], "guardrail_refused"),
        (["guardrail:media_host"], "guardrail_refused"),
        (["guardrail:tool_host"], "guardrail_refused"),
        (["guardrail:deny_answer_pattern:verdict"], "guardrail_refused"),
        (["guardrail:system_policy"], "guardrail_refused"),
        ([], None),
    ]
    written = b"".join(file.read_bytes() for file in (tmp_path / "audit").iterdir()) + json.dumps(lines).encode()
    for word in (CANARY, "nightfall", "policy-canary"):
        assert word.encode() not in written


def test_logprobs_are_bounded_in_both_forms(gateway: GatewayProcess) -> None:
    prompt = {"model": "ok", "prompt": "x"}
    for bad in (21, -1, 5.5, True, "5"):
        answer = gateway.request(body={**prompt, "logprobs": bad}, path="/v1/completions")
        assert (answer.status, answer.error["param"]) == (400, "logprobs"), bad
    for good in (0, 5, 20, None):
        assert gateway.request(body={**prompt, "logprobs": good}, path="/v1/completions").status == 200
    for bad in (1, 0, "true", []):
        answer = gateway.request(body=chat("ok", logprobs=bad))
        assert (answer.status, answer.error["param"]) == (400, "logprobs"), bad
    for good in (True, False, None):
        assert gateway.request(body=chat("ok", logprobs=good), key=KEY).status == 200
    for name in ("prompt_logprobs", "n_probs"):
        assert gateway.request(body=chat("ok", **{name: 21})).error["param"] == name

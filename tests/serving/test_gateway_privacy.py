"""Gateway privacy: whole requests through a real gateway. What goes up, what comes back, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.serving.echoing import KEYS, LEAKED, private_configuration
from tests.serving.gateway_process import KEY, Answer, GatewayProcess, start_gateway
from tests.serving.upstream import FakeEngine

EMAIL = "jane.canary@example.com"
CARD = "4111 1111 1111 1111"
PHONE = "+49 30 901820"
IBAN = "DE89370400440532013000"
SECRET = "ghp_" + "A1b2" * 9
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEcanary==\n-----END PRIVATE KEY-----"  # not-a-secret
TEXT = f"Ask {EMAIL} or {PHONE} for {CARD}; not {IBAN} or {SECRET}, «Zürich 🙂»."
VALUES = (EMAIL, CARD, PHONE, IBAN, SECRET)
PLACEHOLDER = re.compile(r"<[A-Z]+_[B-DF-HJ-NP-TV-Z3-9]{8}>")


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("privacy")
    with start_gateway(folder, private_configuration(engine.url, folder)) as running:
        yield running


def ask(gateway: GatewayProcess, mode: str, body: dict[str, Any], path: str = "/v1/chat/completions") -> Answer:
    return gateway.request(body=body, key=KEYS[mode], path=path)


def user(text: Any, model: str = "echo", **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def content(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["choices"][0]["message"]["content"]


def streamed(answer: Answer, field: str = "content") -> dict[int, str]:
    texts: dict[int, str] = {}
    assert answer.status == 200
    for frame in answer.body.decode().split("\n\n"):
        if not frame.startswith("data: {"):
            continue
        for choice in json.loads(frame[6:])["choices"]:
            delta = choice["delta"]
            piece = delta.get("content") or ""
            if field == "arguments":
                piece = "".join(call["function"].get("arguments", "") for call in delta.get("tool_calls", ()))
            texts[choice["index"]] = texts.get(choice["index"], "") + piece
    return texts


def test_tokenise_hides_values_from_the_engine_and_restores_them(gateway: GatewayProcess, engine: FakeEngine) -> None:
    answer = ask(gateway, "tokenise", user(TEXT))
    assert content(answer) == TEXT
    assert json.loads(answer.body)["choices"][0]["message"]["reasoning_content"] == TEXT
    seen = engine.of("echo")[-1].body["messages"][0]["content"]
    assert not any(value in seen for value in VALUES)
    assert [found[1:].partition("_")[0] for found in PLACEHOLDER.findall(seen)] == [
        "EMAIL",
        "PHONE",
        "CARD",
        "IBAN",
        "SECRET",
    ]
    assert "«Zürich 🙂»" in seen


def test_streams_are_restored_in_every_choice(gateway: GatewayProcess, engine: FakeEngine) -> None:
    answer = ask(gateway, "tokenise", user(TEXT, stream=True, n=3))
    assert streamed(answer) == dict.fromkeys(range(3), TEXT)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert not any(value.encode() in engine.of("echo")[-1].raw for value in VALUES)


def test_tool_arguments_are_restored_as_json(gateway: GatewayProcess) -> None:
    text = f'{EMAIL} "{PEM}"'
    whole = json.loads(ask(gateway, "tokenise", user(text, "echotool")).body)
    arguments = whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"text": text}
    stream = streamed(ask(gateway, "tokenise", user(text, "echotool", stream=True)), "arguments")
    assert json.loads(stream[0]) == {"text": text}


def test_mask_cannot_be_undone(gateway: GatewayProcess, engine: FakeEngine) -> None:
    masked = "Ask [EMAIL] or [PHONE] for [CARD]; not [IBAN] or [SECRET], «Zürich 🙂»."
    assert content(ask(gateway, "mask", user(TEXT))) == masked
    assert engine.of("echo")[-1].body["messages"][0]["content"] == masked
    assert streamed(ask(gateway, "mask", user(TEXT, stream=True)))[0] == masked


def test_block_names_the_kinds_and_not_the_values(gateway: GatewayProcess, engine: FakeEngine) -> None:
    calls = len(engine.calls)
    answer = ask(gateway, "block", user(TEXT, "ok"))
    assert answer.status == 400
    assert answer.error["code"] == "privacy_blocked"
    assert "card, email, iban, phone, secret" in answer.error["message"]
    assert not any(value.encode() in answer.body for value in VALUES)
    assert len(engine.calls) == calls
    assert ask(gateway, "block", user("Nothing here.", "ok")).status == 200


def test_a_body_without_findings_keeps_its_very_bytes(gateway: GatewayProcess, engine: FakeEngine) -> None:
    body = b'{ "model":"ok","max_tokens":5, "messages" : [{"role":"user","content":"plain \\u00e9 1.50"}],"x":1e2 }'
    for mode in ("tokenise", "mask", "block"):
        assert gateway.request(body=body, key=KEYS[mode]).status == 200
        assert engine.of("ok")[-1].raw == body
    assert gateway.request(body=json.dumps(user(TEXT, "ok")).encode(), key=KEY).status == 200
    assert EMAIL in engine.of("ok")[-1].body["messages"][0]["content"]


def test_the_same_value_has_the_same_placeholder_in_every_turn(gateway: GatewayProcess, engine: FakeEngine) -> None:
    turns = [{"role": "user", "content": f"I am {EMAIL}"}, {"role": "assistant", "content": f"Hello {EMAIL}!"}]
    placeholders: set[str] = set()
    for further in ([], [{"role": "user", "content": f"{CARD} and {EMAIL}"}]):
        ask(gateway, "tokenise", {"model": "echo", "messages": turns + further})
        for message in engine.of("echo")[-1].body["messages"]:
            placeholders.update(p for p in PLACEHOLDER.findall(message["content"]) if p.startswith("<EMAIL"))
    assert len(placeholders) == 1
    ask(gateway, "mixed", {"model": "echo", "messages": turns})
    other = PLACEHOLDER.findall(engine.of("echo")[-1].body["messages"][0]["content"])
    assert other
    assert placeholders.isdisjoint(other)


def test_text_in_the_shape_of_a_placeholder_comes_back_as_it_was(gateway: GatewayProcess, engine: FakeEngine) -> None:
    ask(gateway, "tokenise", user(EMAIL))
    real = engine.of("echo")[-1].body["messages"][0]["content"]
    text = f"{real} {real[1:-1]} <EMAIL_BCDFGHJK> [EMAIL] {EMAIL}"
    assert content(ask(gateway, "tokenise", user(text))) == text
    assert streamed(ask(gateway, "tokenise", user(text, stream=True)))[0] == text
    assert real not in engine.of("echo")[-1].body["messages"][0]["content"].split(" ")[:2]


EVERYWHERE = {
    "system": {"messages": [{"role": "system", "content": EMAIL}, {"role": "user", "content": "x"}]},
    "earlier turn": {"messages": [{"role": "user", "content": EMAIL}, {"role": "user", "content": "x"}]},
    "parts": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": EMAIL}]}]
    },
    "name": {"messages": [{"role": "user", "name": EMAIL, "content": "x"}]},
    "arguments": {
        "messages": [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "t",
                        "type": "function",
                        "function": {
                            "name": "f",
                            "arguments": json.dumps({"a": [EMAIL.replace("@", "\\u0040")], EMAIL: 1}),
                        },
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "t", "content": json.dumps({"from": f"a\n{EMAIL}"})},
        ]
    },
    "arguments, escaped": {
        "messages": [
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "t",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a":"' + EMAIL.replace("@", "\\u0040") + '"}'},
                    }
                ],
            }
        ]
    },
    "tools": {
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": f"for {EMAIL}",
                    "parameters": {
                        "type": "object",
                        "properties": {"p": {"enum": [EMAIL], "default": 4111111111111111}},
                    },
                },
            }
        ]
    },
    "metadata": {"metadata": {"who": EMAIL}, "user": EMAIL},
    "metadata names": {"metadata": {EMAIL: "x"}},
    "field name": {f"x_{EMAIL}": True},
    "stop": {"stop": [EMAIL]},
    "response format": {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": EMAIL}}},
    "unknown field": {"x_new": [{"deep": {"er": EMAIL}}]},
}


@pytest.mark.parametrize("place", EVERYWHERE)
@pytest.mark.parametrize("mode", ["tokenise", "mask", "block"])
def test_every_text_field_is_looked_at(gateway: GatewayProcess, engine: FakeEngine, place: str, mode: str) -> None:
    body = {**user("hello", "ok"), **EVERYWHERE[place]}
    calls = len(engine.of("ok"))
    answer = ask(gateway, mode, body)
    if mode == "block":
        assert (answer.status, answer.error["code"]) == (400, "privacy_blocked")
        assert len(engine.of("ok")) == calls
        return
    assert answer.status == 200, answer.body
    call = engine.of("ok")[-1]
    everything = json.dumps(call.body, ensure_ascii=False).replace("\\\\u0040", "@").replace("\\u0040", "@")
    assert "canary@" not in everything
    assert "4111111111111111" not in everything
    assert ("[EMAIL]" if mode == "mask" else "<EMAIL_") in everything
    for message in call.body["messages"]:
        for tool_call in message.get("tool_calls", ()):
            json.loads(tool_call["function"]["arguments"])


def test_completions_and_embeddings(gateway: GatewayProcess, engine: FakeEngine) -> None:
    for prompt in (TEXT, [TEXT, "x"]):
        answer = ask(gateway, "tokenise", {"model": "echo", "prompt": prompt}, "/v1/completions")
        text = prompt if isinstance(prompt, str) else "|".join(prompt)
        assert json.loads(answer.body)["choices"][0]["text"] == text
        assert EMAIL.encode() not in engine.of("echo")[-1].raw
    stream = ask(gateway, "tokenise", {"model": "echo", "prompt": TEXT, "stream": True}, "/v1/completions")
    frames = [json.loads(frame[6:]) for frame in stream.body.decode().split("\n\n") if frame.startswith("data: {")]
    assert "".join(frame["choices"][0]["text"] for frame in frames) == TEXT
    assert ask(gateway, "tokenise", {"model": "embed", "input": [EMAIL]}, "/v1/embeddings").status == 200
    assert EMAIL.encode() not in engine.of("embed")[-1].raw


@pytest.mark.parametrize("mode", ["tokenise", "mask", "block"])
def test_what_cannot_be_scanned_is_refused(gateway: GatewayProcess, engine: FakeEngine, mode: str) -> None:
    calls = len(engine.calls)
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "4111111111111111" * 20}}]
    for body, path in (
        ({"model": "echo", "prompt": [1, 2, 3]}, "/v1/completions"),
        ({"model": "echo", "prompt": [[1, 2], [3]]}, "/v1/completions"),
        ({"model": "embed", "input": [1, 2]}, "/v1/embeddings"),
        ({**user("x"), "prompt_embeds": "AAAA"}, "/v1/chat/completions"),
        (user(image), "/v1/chat/completions"),
    ):
        answer = ask(gateway, mode, body, path)
        assert (answer.status, answer.error["code"]) == (400, "privacy_unreadable")
    assert len(engine.calls) == calls
    if mode == "tokenise":
        allowed = user([*image, {"type": "text", "text": EMAIL}], "ok")
        assert ask(gateway, "mixed", allowed).status == 200
        assert engine.of("ok")[-1].body["messages"][0]["content"][0] == image[0]
        assert EMAIL.encode() not in engine.of("ok")[-1].raw


def test_kinds_and_boundaries_have_modes_of_their_own(gateway: GatewayProcess, engine: FakeEngine) -> None:
    assert content(ask(gateway, "mixed", user(f"{EMAIL} 192.0.2.17"))) == f"{EMAIL} 192.0.2.17"
    seen = engine.of("echo")[-1].body["messages"][0]["content"]
    assert "192.0.2.17" in seen
    assert EMAIL not in seen
    assert ask(gateway, "mixed", user(CARD)).error["code"] == "privacy_blocked"
    for model in ("cloud", "either"):  # `either` may fall back to the cloud: the strictest counts
        refused = ask(gateway, "mixed", user(EMAIL, model))
        assert "kinds: email;" in refused.error["message"]
        assert ask(gateway, "mixed", user(PHONE, model)).status == 200
        assert engine.of(model)[-1].body["messages"][0]["content"] == "[PHONE]"
    assert ask(gateway, "mixed", user(CARD, "either")).error["code"] == "privacy_blocked"


def test_what_the_model_itself_writes_is_scanned(gateway: GatewayProcess) -> None:
    expected = f"Write to [EMAIL] or to {EMAIL} at once."
    assert content(ask(gateway, "scan", user(EMAIL, "leak"))) == expected
    answer = ask(gateway, "scan", user(EMAIL, "leak", stream=True, n=2))
    assert streamed(answer) == dict.fromkeys(range(2), expected)
    assert LEAKED.encode() not in answer.body
    refused = ask(gateway, "scanblock", user("x", "leak"))
    assert (refused.status, refused.error["code"]) == (502, "privacy_output_blocked")
    cut = ask(gateway, "scanblock", user("x", "leak", stream=True))
    assert b"event: error" in cut.body
    assert b"privacy_output_blocked" in cut.body
    assert b"ada@" not in cut.body
    assert b"[DONE]" not in cut.body


def test_a_stream_that_ends_badly_ends_in_an_error_and_nothing_half(gateway: GatewayProcess) -> None:
    for model, code in (("echocut", b"engine_connection_lost"), ("echobroken", b"engine_malformed")):
        answer = ask(gateway, "tokenise", user(TEXT * 3, model, stream=True))
        assert answer.body.count(b"event: error") == 1
        assert code in answer.body
        text = streamed(answer).get(0, "")
        assert (TEXT * 3).startswith(text)
        assert not re.search(r"<[A-Z]*(_[A-Z0-9]*)?$", text)
    assert ask(gateway, "tokenise", user(TEXT, "echobroken")).status == 502


def test_a_request_id_with_personal_data_is_replaced(gateway: GatewayProcess, engine: FakeEngine) -> None:
    for sent in (EMAIL, "123e4567-e89b-12d3-a456-426614174000"):
        headers = {"X-Request-Id": sent}
        answer = gateway.request(body=user("x", "ok"), key=KEYS["mask"], headers=headers)
        assert (answer.headers["x-request-id"] == sent) is (sent != EMAIL)
        assert engine.of("ok")[-1].headers["x-request-id"] == answer.headers["x-request-id"]


def test_counts_and_no_values_in_metrics_and_logs(gateway: GatewayProcess) -> None:
    name = 'slipway_gateway_privacy_findings_total{action="mask",kind="email"}'
    before = gateway.metric(name)
    assert ask(gateway, "mask", user(f"{EMAIL} {EMAIL}")).status == 200
    assert gateway.metric(name) == before + 2
    assert ask(gateway, "block", user(EMAIL, "ok")).error["code"] == "privacy_blocked"
    text = gateway.request("GET", "/metrics", port=gateway.operations).body.decode()
    assert 'slipway_gateway_refusals_total{reason="privacy_blocked"}' in text
    assert 'slipway_gateway_privacy_prefilter{engine="hyperscan"} 1.0' in text
    gateway.log()
    for written in (text, gateway.log_file.read_text()):
        assert not any(value in written for value in (*VALUES, "canary@", LEAKED))


def test_the_official_client_sees_nothing_of_it(gateway: GatewayProcess, engine: FakeEngine) -> None:
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=KEYS["tokenise"], max_retries=0
    ) as client:
        messages: Any = [{"role": "user", "content": TEXT}]
        assert client.chat.completions.create(model="echo", messages=messages).choices[0].message.content == TEXT
        stream = client.chat.completions.create(model="echo", messages=messages, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == TEXT
        calls = client.chat.completions.create(model="echotool", messages=messages).choices[0].message.tool_calls
        assert calls
        assert json.loads(calls[0].function.arguments) == {"text": TEXT}  # type: ignore[union-attr]
        with pytest.raises(openai.BadRequestError) as refused:
            client.with_options(api_key=KEYS["block"]).chat.completions.create(model="echo", messages=messages)
        assert refused.value.code == "privacy_blocked"
    assert not any(value.encode() in call.raw for value in VALUES for call in engine.of("echotool")[-1:])


def test_placeholders_survive_a_reload_and_a_bad_file_is_refused(engine: FakeEngine, tmp_path: Path) -> None:
    config = private_configuration(engine.url, tmp_path, patterns={"ticket": "TCK-[0-9]+"})
    with start_gateway(tmp_path, config) as gateway:
        seen: list[str] = []
        for _ in range(2):
            assert content(ask(gateway, "tokenise", user(f"{EMAIL} TCK-7"))) == f"{EMAIL} TCK-7"
            seen.append(engine.of("echo")[-1].body["messages"][0]["content"])
            gateway.hang_up()
            assert gateway.notified().startswith("reloaded ")
        assert seen[0] == seen[1]
        assert "TICKET_" in seen[0]
        config["privacy"]["patterns"]["ticket"] = "TCK-(?=[0-9])"
        (tmp_path / "gateway.json").write_text(json.dumps(config))
        gateway.hang_up()
        refusal = gateway.notified()
        assert refusal.startswith("refused ")
        assert "privacy.patterns.ticket: found" in refusal
        assert "; allowed is RE2 syntax" in refusal
        assert content(ask(gateway, "tokenise", user(EMAIL))) == EMAIL


def test_with_a_key_file_placeholders_are_the_same_in_every_process(engine: FakeEngine, tmp_path: Path) -> None:
    key_file = tmp_path / "privacy.key"
    key_file.write_text("a" * 32)
    seen: set[str] = set()
    for _ in range(2):
        with start_gateway(tmp_path, private_configuration(engine.url, tmp_path, key_file=str(key_file))) as gateway:
            ask(gateway, "tokenise", user(EMAIL))
            seen.add(engine.of("echo")[-1].body["messages"][0]["content"])
    assert len(seen) == 1

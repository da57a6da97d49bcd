"""The real engine behind launcher and gateway, through the official client: what a user of the endpoint sees."""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Iterator

import openai
import pytest

from tests.serving.running import KEY, Launcher, chat, free_port, launchers, planned, request, streams, until, whole

CAPITAL = [{"role": "user", "content": "Tell me the capital of France."}]
STORY = "Write a very long story about the sea."


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """Two models of one wheel in one generation: one that writes, one that embeds."""
    with launchers(tmp_path_factory.mktemp("real"), real=True) as start:
        specification = planned(
            port=free_port(), operations=free_port(), chat={}, vectors={"task": "embed", "context_tokens": 512}
        )
        yield start(specification).ready()


@pytest.fixture
def client(served: Launcher) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


def test_whole_answer_with_usage(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=CAPITAL, temperature=0, max_tokens=32)
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "chat"
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens > 5
    assert 0 < usage.completion_tokens <= 32
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_streamed_answer_with_usage(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="chat",
        messages=CAPITAL,
        temperature=0,
        max_tokens=32,
        stream=True,
        stream_options={"include_usage": True},
    ) as events:
        chunks = list(events)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert "Paris" in text
    assert sum(bool(choice.delta.content) for chunk in chunks for choice in chunk.choices) > 2  # in pieces
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_completion_of_a_text(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="chat", prompt="One, two, three,", temperature=0, max_tokens=8)
    assert "four" in answer.choices[0].text
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8


def test_vectors_are_of_unit_length(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="vectors", input=["a boat", "a ship"], encoding_format="float")
    assert [len(item.embedding) for item in answer.data] == [576, 576]
    lengths = [math.sqrt(sum(x * x for x in item.embedding)) for item in answer.data]
    assert lengths == pytest.approx([1, 1], abs=1e-3)
    assert answer.data[0].embedding != answer.data[1].embedding


def test_each_model_refuses_the_other_task(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        client.chat.completions.create(model="vectors", messages=CAPITAL)
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        client.embeddings.create(model="chat", input="a boat")


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert sorted(model.id for model in client.models.list()) == ["chat", "vectors"]


def test_wrong_key(served: Launcher) -> None:
    with (
        openai.OpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key="sk-wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(model="chat", messages=CAPITAL)


def test_wrong_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="model"):
        client.chat.completions.create(model="gpt-4", messages=CAPITAL)


def test_oversize_body(client: openai.OpenAI, served: Launcher) -> None:
    limit = served.specification["gateway"]["config"]["limits"]["body_bytes"]
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "x" * limit}])
    assert refused.value.status_code == 413


def test_engine_is_closed_to_whoever_has_not_its_key(served: Launcher) -> None:
    upstream = json.loads((served.folder / "gateway.json").read_text())["models"]["chat"]["upstreams"][0]
    port = int(upstream["url"].rpartition(":")[2])
    assert request(port, "/v1/chat/completions", chat(1))[0] == 401  # the client's key is not the engine's
    assert request(port, "/metrics")[0] == 401
    assert all(c.laddr.ip == "127.0.0.1" for c in served.engine("chat").net_connections() if c.status == "LISTEN")


def test_disconnect_frees_the_engines_slot(served: Launcher) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    body = json.dumps({**chat(1000, stream=True, prompt=STORY), "ignore_eos": True})
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
    assert connection.getresponse().read1(10)
    assert served.engine_metric("llamacpp:requests_processing") == 1
    connection.sock and connection.sock.close()
    connection.close()
    until(
        lambda: served.engine_metric("llamacpp:requests_processing") == 0,
        1.0,
        lambda: f"the engine still writes for a client that has left\n{served.tails()}",
    )


def test_twenty_streams_at_once_all_complete(served: Launcher) -> None:
    with streams(served.port, 20, 12, prompt=STORY, wait_for=1) as running:
        pass
    assert all(len(result.text) > 8 for result in whole(running))

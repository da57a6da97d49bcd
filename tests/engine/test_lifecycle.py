"""One stack's life with the real CLI and the real engine: preview, up, no change, key, update, destroy."""

from __future__ import annotations

import json
import re
import stat
import subprocess

import openai
import pytest

from tests.engine.checkout import Checkout


def test_first_up_ends_with_a_curl_that_works_as_printed(checkout: Checkout) -> None:
    printed = checkout.up()
    command = next(line.strip() for line in printed.splitlines() if line.strip().startswith("curl "))
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, cwd="/").stdout
    assert "The capital of France is Paris." in answer
    assert checkout.key() in printed

    again = checkout.up()
    assert "5 unchanged" in again
    assert checkout.key() not in again
    command = next(line.strip() for line in again.splitlines() if line.strip().startswith("curl "))
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, cwd="/").stdout
    assert "The capital of France is Paris." in answer


def test_preview_creates_nothing(checkout: Checkout) -> None:
    checkout.run("make", "python", "cli")
    checkout.pulumi("stack", "init", "dev")
    printed = checkout.pulumi("preview", "--stack", "dev")
    assert "+ 5 to create" in printed
    assert not checkout.processes()
    assert not checkout.listening(checkout.port)


def test_preview_and_up_show_the_plan_once(checkout: Checkout) -> None:
    checkout.run("make", "python", "cli")
    checkout.pulumi("stack", "init", "dev")
    for printed in (checkout.pulumi("preview", "--stack", "dev"), checkout.up()):
        shown = printed.split("Diagnostics:")[1]
        assert re.search(r"^ +plan of dev: monolithic, 1 model on 1 site$", shown, re.MULTILINE), printed
        # Columns stay below one another.
        assert re.search(rf"^ +here  local     {re.escape(checkout.endpoint)}  chat$", shown, re.MULTILINE), printed
        assert printed.count("All of it: make plan STACK=dev") == 1


def test_destroy_leaves_no_process_port_or_file(checkout: Checkout) -> None:
    checkout.up()
    assert checkout.listening(checkout.port)
    checkout.run("make", "down")
    assert not checkout.processes()
    assert not checkout.listening(checkout.port)
    assert not checkout.listening(checkout.operations_port)
    assert not (checkout.folder / ".slipway" / "run").exists()
    assert "Nothing is up: stack dev has no resources." in checkout.run("make", "down")
    checkout.up()
    assert "Paris" in checkout.ask(checkout.key())


def test_secrets_are_in_no_file_and_no_output(served: tuple[Checkout, str]) -> None:
    checkout, key = served
    outputs = [
        checkout.pulumi("preview", "--stack", "dev", "--diff", "--refresh"),
        checkout.pulumi("preview", "--stack", "dev", "--json"),
        checkout.pulumi("stack", "output", "--stack", "dev"),
        checkout.pulumi("stack", "export", "--stack", "dev"),
    ]
    assert not [text for text in outputs if key in text]
    places = [path for path in checkout.folder.joinpath(".slipway").rglob("*") if path.is_file()]
    assert places
    assert not [path for path in places if key.encode() in path.read_bytes()]
    open_to_others = [path for path in places if stat.S_IMODE(path.stat().st_mode) & 0o077]
    # A public key and a copy of Pulumi.yaml are nobody's secret.
    assert {path.name for path in open_to_others} <= {"signing.key.pub", "Pulumi.yaml"}


def test_state_marks_keys_and_hashes_as_secret(served: tuple[Checkout, str]) -> None:
    checkout, _ = served
    state = json.loads(checkout.pulumi("stack", "export", "--stack", "dev"))
    by_type = {resource["type"]: resource for resource in state["deployment"]["resources"]}
    key = by_type["pulumi-python:dynamic/slipway:ClientKey"]["outputs"]["key"]
    group = by_type["pulumi-python:dynamic/slipway:ProcessGroup"]
    for value in (key, group["inputs"]["key_hashes"], group["outputs"]["key_hashes"]):
        assert "ciphertext" in value
        assert "plaintext" not in value


def test_a_key_that_is_set_is_used(checkout: Checkout) -> None:
    key = "a-key-of-my-own-that-is-long-enough"
    checkout.run("make", "python", "cli")
    checkout.pulumi("stack", "init", "dev")
    checkout.pulumi("config", "set", "--stack", "dev", "--secret", "--path", "slipway:client_keys.dev", key)
    assert key not in checkout.stack_file.read_text()
    checkout.up()
    assert checkout.key() == key
    assert "Paris" in checkout.ask(key)
    assert checkout.ask("another-key-that-is-long-enough") == "HTTP 401"


@pytest.mark.parametrize(
    ("value", "message"),
    [("tiny-key", "too short"), ("", "too short")],
)
def test_a_weak_key_is_refused_without_showing_it(checkout: Checkout, value: str, message: str) -> None:
    checkout.run("make", "python", "cli")
    checkout.pulumi("stack", "init", "dev")
    checkout.pulumi("config", "set", "--stack", "dev", "--secret", "--path", "slipway:client_keys.dev", value)
    printed = checkout.up(check=False)
    assert message in printed
    assert "slipway:client_keys.dev" in printed
    assert "Traceback" not in printed
    if value:
        assert not re.search(rf"\b{value}\b(?! or)", printed.replace("too short", ""))


def test_the_official_client_streams(served: tuple[Checkout, str]) -> None:
    checkout, key = served
    client = openai.OpenAI(api_key=key, base_url=f"{checkout.endpoint}/v1", max_retries=0)
    chunks = list(
        client.chat.completions.create(
            model="chat",
            messages=[{"role": "user", "content": "Tell me the capital of France."}],
            temperature=0,
            stream=True,
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "The capital of France is Paris."
    assert len(chunks) > 5
    assert chunks[-1].choices[0].finish_reason == "stop"
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(api_key="wrong", base_url=f"{checkout.endpoint}/v1", max_retries=0).models.list()
    assert [model.id for model in client.models.list()] == ["chat"]

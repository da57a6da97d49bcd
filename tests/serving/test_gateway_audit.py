"""Gateway: its audit. A row for every request, no secret in it, refused when it cannot be kept, copies elsewhere."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.audit_files import FAILING_DISK, audit, lines, problems, rows, stop, wait_for_rows
from tests.serving.gateway_process import (
    KEY,
    LIMITED_KEY,
    NARROW_KEY,
    PROMPT,
    ask,
    chat,
    configuration,
    raw_request,
    read_until,
    sha,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def config(engine: FakeEngine, tmp_path: Path) -> dict[str, Any]:
    return {**configuration(engine.url, tmp_path), "audit": {"folder": str(tmp_path / "audit"), "reserve_bytes": 65536}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def _encrypted(config: dict[str, Any], tmp_path: Path, **fields: Any) -> None:
    keys = {"folder": str(tmp_path / "keys"), "master_key_file": str(tmp_path / "master.key")}
    config["audit"].update(content="encrypted", subject_keys=keys, **fields)


def test_every_request_leaves_a_row_with_its_facts(config: dict[str, Any], tmp_path: Path, folder: Path) -> None:
    config["models"]["ok"]["digest"] = "sha256:beef"
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
        answers = [
            gateway.request(body=chat("ok"), headers={"X-Request-Id": "whole"}),
            gateway.request(body=chat("crlf", stream=True)),
            gateway.request(body=chat("ok"), key="sk-wrong"),
            gateway.request(body=chat("big"), key=NARROW_KEY),
            gateway.request(body=b"{"),
            gateway.request(body=chat("e503")),
            gateway.request("GET", "/v1/models", body=None),
            gateway.request("GET", "/v1/nothing", body=None),
        ]
        gateway.request("GET", "/health", body=None)
        with gateway.connect() as raw:
            raw.sendall(raw_request(chat("long", stream=True)))
            read_until(raw, b"w2 ")
        found = wait_for_rows(folder, 9)
        assert stop(gateway) == 0
    by_id = {row["request_id"]: row for row in found}
    assert len(found) == len(by_id) == 9
    assert [by_id[answer.headers["x-request-id"]]["status"] for answer in answers] == [
        answer.status for answer in answers
    ]
    whole = by_id["whole"]
    assert whole["time"].endswith("Z")
    assert whole["duration_ms"] > 0
    assert whole["first_byte_ms"] > 0
    assert {name: whole[name] for name in ("client", "subject", "model", "digest", "endpoint", "stream")} == {
        "client": "dev",
        "subject": "dev",
        "model": "ok",
        "digest": "sha256:beef",
        "endpoint": "chat_completions",
        "stream": False,
    }
    assert (whole["prompt_tokens"], whole["output_tokens"], whole["finish"], whole["reason"]) == (
        7,
        3,
        "complete",
        None,
    )
    assert whole["key"].endswith(sha(KEY)[:8])
    streamed = by_id[answers[1].headers["x-request-id"]]
    assert (streamed["stream"], streamed["prompt_tokens"], streamed["output_tokens"]) == (True, 5, 4)
    refused = by_id[answers[2].headers["x-request-id"]]
    assert (refused["client"], refused["key"], refused["finish"]) == (None, None, "refused")
    assert refused["reason"] == "invalid_api_key"
    left = next(row for row in found if row["reason"] == "client_gone")
    assert (left["status"], left["finish"]) == (200, "cut")
    assert problems(folder) == []


def test_no_key_and_no_prompt_in_any_byte_of_the_audit(config: dict[str, Any], tmp_path: Path, folder: Path) -> None:
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
        for key in (KEY, NARROW_KEY, LIMITED_KEY, "sk-wrong-canary"):
            gateway.request(body=chat("ok"), key=key)
            gateway.request(body=chat("ok", stream=True), key=key)
        gateway.request(path=f"/v1/{PROMPT}", body=chat("ok"))
        gateway.request(body=chat(PROMPT))
        wait_for_rows(folder, 10)
        assert stop(gateway) == 0
    everything = b"".join(file.read_bytes() for file in folder.iterdir())
    assert len(everything) > 5000
    for canary in (KEY, NARROW_KEY, LIMITED_KEY, "sk-wrong-canary", PROMPT, "engine-canary"):
        assert canary.encode() not in everything


def test_without_an_audit_nothing_is_written_and_nothing_refused(config: dict[str, Any], tmp_path: Path) -> None:
    del config["audit"]
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
        assert gateway.request(body=chat("ok")).status == 200
        assert stop(gateway) == 0
    assert list(tmp_path.glob("**/*.jsonl")) == []


@pytest.mark.parametrize("stream", [False, True])
def test_encrypted_text_is_shown_with_the_keys_and_gone_after_erase(
    config: dict[str, Any], tmp_path: Path, folder: Path, stream: bool
) -> None:
    _encrypted(config, tmp_path)
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
        assert gateway.request(body=chat("ok", stream=stream)).status == 200
        assert gateway.request(body=chat("ok", stream=stream), key=NARROW_KEY).status == 200
        wait_for_rows(folder, 2)
        assert PROMPT.encode() not in b"".join(file.read_bytes() for file in folder.iterdir())
        keys = ("--keys", tmp_path / "keys", "--master-key", tmp_path / "master.key")
        shown = [json.loads(line) for line in audit("show", folder, "--format", "jsonl", *keys).stdout.splitlines()]
        assert [PROMPT in row["content"]["prompt"] for row in shown] == [True, True]
        assert all(("w0 " if stream else '"hi"') in row["content"]["answer"] for row in shown)
        assert PROMPT not in audit("show", folder).stdout
        # While the gateway runs and holds its own chain.
        erased = audit("erase", folder, "--subject", "dev", "--keys", tmp_path / "keys")
        assert (erased.returncode, erased.stderr) == (0, "")
        shown = [json.loads(line) for line in audit("show", folder, "--format", "jsonl", *keys).stdout.splitlines()]
        assert {row["client"]: type(row["content"]) for row in shown} == {"dev": str, "narrow": dict}
        assert audit("verify", folder).returncode == 0
        # What the subject says from now on has another key.
        assert gateway.request(body=chat("ok", stream=stream)).status == 200
        wait_for_rows(folder, 3)
        shown = [json.loads(line) for line in audit("show", folder, "--format", "jsonl", *keys).stdout.splitlines()]
        assert sorted(type(row["content"]).__name__ for row in shown) == ["dict", "dict", "str"]
        assert stop(gateway) == 0
    assert [line["subject"] for line in lines(folder) if line["kind"] == "erasure"] == ["dev"]
    assert problems(folder) == []
    assert audit("erase", folder, "--subject", "nobody", "--keys", tmp_path / "keys").returncode == 1


def test_kept_text_is_bounded(config: dict[str, Any], tmp_path: Path, folder: Path) -> None:
    _encrypted(config, tmp_path, content_bytes=20)
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
        assert gateway.request(body=chat("ok")).status == 200
        wait_for_rows(folder, 1)
    keys = ("--keys", tmp_path / "keys", "--master-key", tmp_path / "master.key")
    content = json.loads(audit("show", folder, "--format", "jsonl", *keys).stdout)["content"]
    assert (len(content["prompt"]), len(content["answer"]), content["cut"]) == (20, 20, True)


def test_a_row_on_disk_before_the_answer_where_that_is_asked_for(
    config: dict[str, Any], tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = tmp_path / "fault"
    monkeypatch.setenv("AUDIT_FAULT", str(fault))
    config["audit"].update(sync="every_row", flush_milliseconds=10_000)
    with start_gateway(tmp_path, config, "--accept-seconds", "0", program=FAILING_DISK) as gateway:
        for number in range(5):
            identifier = f"r{number}"
            answer = gateway.request(body=chat("ok", stream=number % 2 == 1), headers={"X-Request-Id": identifier})
            assert answer.status == 200
            assert identifier in [row["request_id"] for row in rows(folder)], "not there when the answer was"
        # Admitted while the disk was good, done when it is not: 503 instead of a 2xx without a row.
        slow: list[int] = []
        asking = threading.Thread(target=lambda: slow.append(gateway.request(body=chat("slow")).status))
        asking.start()
        wait_until("the request is at the engine", lambda: gateway.metric("slipway_gateway_audit_available") == 1.0)
        time.sleep(0.3)
        fault.write_text("write")
        asking.join(20)
        assert slow == [503]
        fault.unlink()
        wait_until("service is back", lambda: gateway.request(body=chat("ok")).status == 200, 10)
        assert stop(gateway) == 0
    assert problems(folder) == []
    statuses = [row["status"] for row in rows(folder) if row["model"] == "slow"]
    assert 503 in statuses, "what the client got is the last word"


def test_fifty_clients_at_once_leave_a_row_each(config: dict[str, Any], tmp_path: Path, folder: Path) -> None:
    config["audit"].update(segment_bytes=65536)
    seen: list[str] = []
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:

        def client(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
            for turn in range(10):
                answer = ask(connection, "POST", "/v1/chat/completions", chat("ok", stream=(number + turn) % 3 == 0))
                assert answer.status == 200
                seen.append(answer.headers["x-request-id"])
            connection.close()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert stop(gateway) == 0
    assert len(seen) == 500
    assert sorted(row["request_id"] for row in rows(folder)) == sorted(seen)
    assert len(list(folder.glob("*.jsonl"))) > 2, "segments rotate by size"
    assert problems(folder) == []


def test_segments_rotate_by_age_and_old_ones_are_retired(config: dict[str, Any], tmp_path: Path, folder: Path) -> None:
    config["audit"].update(segment_seconds=0.3, retention_days=1 / 86_400)
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:

        def first_is_gone() -> bool:
            gateway.request(body=chat("ok"))
            return not list(folder.glob("*-00000001.jsonl"))

        wait_until("the first segment was retired", first_is_gone, 20)
        assert problems(folder) == []
        assert stop(gateway) == 0
    assert [line for line in lines(folder) if line["kind"] == "retention"]
    assert problems(folder) == []


def test_reload_keeps_the_chain_and_a_new_folder_takes_over(
    config: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    file = tmp_path / "gateway.json"
    moved = tmp_path / "moved"
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway, gateway.connect() as raw:
        assert gateway.request(body=chat("ok")).status == 200
        config["clients"]["narrow"]["requests_per_minute"] = 1000
        file.write_text(json.dumps(config))
        gateway.hang_up()
        assert gateway.notified().startswith("reloaded")
        assert gateway.request(body=chat("ok")).status == 200
        wait_for_rows(folder, 2)
        assert len(list(folder.glob("*.jsonl"))) == 1
        raw.sendall(raw_request(chat("long", stream=True)))
        read_until(raw, b"w2 ")
        config["audit"]["folder"] = str(moved)
        file.write_text(json.dumps(config))
        gateway.hang_up()
        assert gateway.notified().startswith("reloaded")
        assert gateway.request(body=chat("ok")).status == 200
        wait_for_rows(moved, 1)
        # The stream began under the old audit: its row goes there, then that one is closed.
        read_until(raw, b"[DONE]")
        wait_for_rows(folder, 3)
        wait_until("the old audit is closed", lambda: lines(folder)[-1]["kind"] == "close")
        config["audit"]["signing_key_file"] = "/proc/none/key"
        file.write_text(json.dumps(config))
        gateway.hang_up()
        assert "refused" in (said := gateway.notified())
        assert "audit.signing_key_file: found" in said
        assert gateway.request(body=chat("ok")).status == 200
        assert stop(gateway) == 0
    assert len(rows(moved)) == 2
    assert problems(folder) == problems(moved) == []


def test_a_restart_continues_the_chain(config: dict[str, Any], tmp_path: Path, folder: Path) -> None:
    for _ in range(3):
        with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
            assert gateway.request(body=chat("ok")).status == 200
            assert stop(gateway) == 0
    assert len({file.name[:8] for file in folder.glob("*.jsonl")}) == 1
    assert [row["seq"] for row in lines(folder)] == list(range(1, 10))
    assert problems(folder) == []


@pytest.mark.parametrize(
    ("audit_config", "text"),
    [
        ({}, "audit"),
        ({"folder": "a", "colour": "red"}, "an unknown field, not shown, at `$.audit`"),
        (
            {"folder": "a", "content": "encrypted"},
            "audit.subject_keys: found nothing, with content: encrypted; allowed",
        ),
        ({"folder": "a", "object_store": {"kind": "s3", "url": "x", "region": "r"}}, "audit.object_store.url: found"),
        (
            {"folder": "a", "object_store": {"kind": "s3", "url": "http://h/b", "region": "r", "access_key_file": "x"}},
            "audit.object_store: found one of access_key_file",
        ),
        ({"folder": "a", "otlp_logs": {"url": "ftp://x"}}, "audit.otlp_logs.url: found"),
        ({"folder": "/proc/none"}, "audit.folder: found"),
        ({"folder": "FOLDER", "signing_key_file": "/dev/null"}, "audit.signing_key_file: found no Ed25519 key in PEM"),
    ],
)
def test_a_wrong_configuration_is_refused_at_the_start(
    config: dict[str, Any], tmp_path: Path, audit_config: dict[str, Any], text: str
) -> None:
    config["audit"] = {**audit_config}
    if config["audit"].get("folder") in ("a", "FOLDER"):
        config["audit"]["folder"] = str(tmp_path / "audit")
    with start_gateway(tmp_path, config, wait_ready=False) as gateway:
        assert gateway.exit_status() == 2
    said = gateway.log_file.read_text()
    assert text in said
    assert "Traceback" not in said

"""Gateway: its audit. A row for every request, no secret in it, refused when it cannot be kept, copies elsewhere."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.audit_files import FAILING_DISK, audit, lines, problems, rows, stop, wait_for_rows
from tests.serving.collector import Collector
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

ACCESS_KEY = "AKIDcanary"
SECRET_KEY = "object-store-secret-canary"


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
        import time

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
        ({"folder": "a", "colour": "red"}, "colour"),
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


def _with_store(config: dict[str, Any], tmp_path: Path, url: str, kind: str, **fields: Any) -> None:
    (tmp_path / "access").write_text(ACCESS_KEY)
    (tmp_path / "secret").write_text(SECRET_KEY)
    config["audit"]["object_store"] = {
        "kind": kind,
        "url": f"{url}/bucket",
        "region": "eu-central-1",
        "prefix": "site a/",
        "access_key_file": str(tmp_path / "access"),
        "secret_key_file": str(tmp_path / "secret"),
        "object_lock": {"mode": "compliance", "days": 30},
        **fields,
    }


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_closed_segments_go_to_the_object_store_signed_and_locked(
    config: dict[str, Any], tmp_path: Path, folder: Path, kind: str
) -> None:
    with Collector(SECRET_KEY) as store:
        _with_store(config, tmp_path, store.url, kind)
        config["audit"]["segment_seconds"] = 0.2
        store.answers = [503, 500]  # tried again
        with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
            assert gateway.request(body=chat("ok")).status == 200
            wait_until("a segment is in the store", lambda: bool(store.objects), 20)
            assert gateway.request(body=chat("ok")).status == 200
            assert stop(gateway) == 0
            assert SECRET_KEY not in gateway.log_file.read_text()
    kept = {path.rpartition("/")[2]: body for path, body in store.objects.items()}
    assert kept == {file.name: file.read_bytes() for file in folder.glob("*.jsonl")}, "also the last one, at the end"
    assert all(path.startswith("/bucket/site%20a/") for path in store.objects)
    assert store.bad_signatures == 0
    prefix = "x-amz" if kind == "s3" else "x-goog"
    assert {headers[f"{prefix}-object-lock-mode"] for headers in store.headers} == {"COMPLIANCE"}
    assert all(headers[f"{prefix}-object-lock-retain-until-date"] > "2026" for headers in store.headers)
    everything = b"".join(file.read_bytes() for file in folder.iterdir())
    assert SECRET_KEY.encode() not in everything


def test_requests_are_refused_when_copies_wait_too_long(config: dict[str, Any], tmp_path: Path) -> None:
    with Collector(SECRET_KEY) as store:
        _with_store(config, tmp_path, store.url, "s3", longest_unsent_seconds=0.5)
        config["audit"]["segment_seconds"] = 0.2
        store.answers = [503] * 6
        with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
            assert gateway.request(body=chat("ok")).status == 200
            wait_until("refused", lambda: gateway.request(body=chat("ok")).status == 503, 20)
            assert gateway.request(body=chat("ok")).error["code"] == "audit_unavailable"
            store.answers = []
            wait_until("served again", lambda: gateway.request(body=chat("ok")).status == 200, 40)


def test_copies_go_to_a_collector_which_may_be_away(config: dict[str, Any], tmp_path: Path, folder: Path) -> None:
    with Collector() as collector:
        (tmp_path / "otlp.headers").write_text("Authorization: Bearer otlp-canary\n")
        config["audit"]["otlp_logs"] = {
            "url": f"{collector.url}/v1/logs",
            "queue_rows": 2,
            "header_file": str(tmp_path / "otlp.headers"),
        }
        collector.answers = [503] * 3
        with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
            for _ in range(5):
                assert gateway.request(body=chat("ok")).status == 200
            wait_until("copies dropped", lambda: gateway.metric("slipway_gateway_audit_otlp_rows_dropped_total") == 3.0)
            wait_until("copies arrived", lambda: len(collector.records()) == 2, 20)
            assert stop(gateway) == 0
    assert collector.headers[-1]["authorization"] == "Bearer otlp-canary"
    assert len(rows(folder)) == 5, "the file has all"
    copies = [json.loads(record["body"]["stringValue"]) for record in collector.records()]
    assert all(copy in rows(folder) for copy in copies)


def test_export_has_the_rows_of_a_time_range_and_a_manifest(
    config: dict[str, Any], tmp_path: Path, folder: Path
) -> None:
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
        for number in range(4):
            gateway.request(body=chat("ok"), headers={"X-Request-Id": f"r{number}"})
        assert stop(gateway) == 0
    until = next(row["time"] for row in rows(folder) if row["request_id"] == "r2")
    done = audit("export", folder, "--until", until, "--output", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    exported = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text().splitlines()]
    assert [row["row"]["request_id"] for row in exported] == ["r0", "r1"]
    assert (manifest["rows"], manifest["chains"][0]["signed_seq"]) == (2, 6)
    assert manifest["sha256"] == sha((tmp_path / "out" / "rows.jsonl").read_text())
    done = audit("export", folder, "--format", "csv", "--client", "dev", "--output", tmp_path / "csv")
    assert (tmp_path / "csv" / "rows.csv").read_text().count("\n") == 5
    assert audit("export", folder, "--output", tmp_path / "csv").returncode == 2, "never over something"
    assert "r3" in audit("show", folder, "--since", until, "--status", "2xx", "--model", "ok").stdout
    assert "r3" not in audit("show", folder, "--status", "404").stdout
    file = next(folder.glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b'"r1"', b'"rX"'))
    refused = audit("export", folder, "--output", tmp_path / "bad")
    assert refused.returncode == 1
    assert not (tmp_path / "bad").exists()

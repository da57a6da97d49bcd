"""Gateway: copies of its audit. Object store, collector, and what `export` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.audit_files import audit, rows, stop
from tests.serving.collector import Collector
from tests.serving.gateway_process import chat, configuration, sha, start_gateway, wait_until
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

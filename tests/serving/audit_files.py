"""Reads audit folders for tests: rows, verification, and a program whose disk fails when a test says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from serving.audit.verification import ChainReport, verify_folder
from serving.gateway.audit.resting import Resting
from serving.gateway.audit.retention import Retention
from serving.gateway.audit.signing import load_public, load_signer
from serving.gateway.audit.store import ChainStore
from tests.serving.gateway_process import GatewayProcess, wait_until
from tests.serving.package import PACKAGE

FAILING_DISK = (str(Path(__file__).with_name("failing_disk.py")),)
"""`program` for start_gateway; see that file."""


def lines(folder: Path) -> list[dict[str, Any]]:
    """All whole lines of all chains."""
    found: list[dict[str, Any]] = []
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().split(b"\n")[:-1]:
            found.append(json.loads(line))
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    return [line for line in lines(folder) if line["kind"] == "request"]


def wait_for_rows(folder: Path, count: int, seconds: float = 10) -> list[dict[str, Any]]:
    wait_until(f"{count} audit rows", lambda: len(rows(folder)) >= count, seconds)
    return rows(folder)


def reports(folder: Path) -> list[ChainReport]:
    return verify_folder(folder, load_public(folder / "signing.key.pub"), [])


def problems(folder: Path) -> list[str]:
    return [str(problem) for report in reports(folder) for problem in report.problems]


def audit(*arguments: object) -> subprocess.CompletedProcess[str]:
    """python -m serving.audit"""
    return subprocess.run(
        [sys.executable, "-m", "serving.audit", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def stop(gateway: GatewayProcess) -> int:
    gateway.terminate()
    return gateway.exit_status(30)


def open_store(folder: Path, **options: Any) -> ChainStore:
    """A store without a gateway around it."""
    folder.mkdir(exist_ok=True)
    settings = {"segment_bytes": 1 << 20, "segment_seconds": 3600.0, "head_seconds": 3600.0, **options}
    store = ChainStore(folder, load_signer(folder / "signing.key"), lambda *_, **__: None, **settings)
    store.open()
    return store


def retention(
    folder: Path, *, days: float | None = None, most_bytes: int | None = None, sent_only: bool = False
) -> Retention:
    """What deletes old segments of that folder."""
    resting = Resting(folder, load_signer(folder / "signing.key"), lambda *_, **__: None)
    return Retention(resting, days=days, most_bytes=most_bytes, sent_only=sent_only)


def some_row(number: int) -> dict[str, Any]:
    return {"kind": "request", "time": f"2026-11-24T08:00:{number % 60:02d}.000000Z", "request_id": f"r{number}"}


def fill(folder: Path, count: int, *, close: bool = True, **options: Any) -> ChainStore:
    """A chain with `count` rows."""
    store = open_store(folder, **options)
    for number in range(count):
        store.add(some_row(number))
        store.commit()
        store.tend()
    if close:
        store.close()
    return store


def old(path: Path, days: float) -> None:
    """Make a file look as old as that."""
    then = time.time() - days * 86_400
    os.utime(path, (then, then))

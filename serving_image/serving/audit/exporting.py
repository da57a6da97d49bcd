"""`export`: the rows of a time range as one file, and a manifest by which a receiver can check it."""

from __future__ import annotations

import csv
import hashlib
import io
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import orjson

from serving.audit.selection import Row, Selection
from serving.audit.verification import ChainReport
from serving.gateway.audit.clock import rfc3339
from serving.gateway.audit.segments import chains_in, last_head

_COLUMNS = (
    *("time", "request_id", "subject", "client", "key", "endpoint", "stream", "model", "digest", "route", "boundary"),
    *("decisions", "status", "finish", "reason", "prompt_tokens", "output_tokens", "cost"),
    *("first_byte_ms", "duration_ms", "chain", "seq", "prev"),
)


def export(
    folder: Path,
    output: Path,
    selection: Selection,
    kind: Literal["jsonl", "csv"],
    reports: list[ChainReport],
) -> Path:
    """Write `rows.<kind>` and `manifest.json` into `output`, a new or empty folder. Raises OSError."""
    output.mkdir(parents=True, exist_ok=True)
    rows = list(selection.rows(folder))
    data = _csv(rows) if kind == "csv" else _jsonl(rows)
    file = output / f"rows.{kind}"
    file.write_bytes(data)
    segments = chains_in(folder)
    manifest = {
        "version": 1,
        "time": rfc3339(time.time()),
        "since": selection.since,
        "until": selection.until,
        "file": file.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "rows": len(rows),
        "verified": True,
        "chains": [
            {
                "chain": report.name,
                "first_seq": report.first,
                "last_seq": report.last,
                "signed_seq": report.signed,
                "last_hash": report.last_hash,
                "head": last_head(folder, report.name),
                "segments": {path.name: _sha256(path) for path in segments.get(report.name, [])},
            }
            for report in reports
        ],
    }
    manifest_file = output / "manifest.json"
    manifest_file.write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
    return file


def _jsonl(rows: Iterable[Row]) -> bytes:
    # The very lines of the chain (hence their hashes), with the chain's name before them.
    return b"".join(b'{"chain":"%b","row":%b}\n' % (chain.encode(), orjson.dumps(fields)) for chain, fields in rows)


def _csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for chain, fields in rows:
        values = {**fields, "chain": chain, "decisions": " ".join(fields.get("decisions", []))}
        writer.writerow([_cell(values.get(name)) for name in _COLUMNS])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = orjson.dumps(value).decode() if type(value) is not str else value
    # A spreadsheet would take these for formulas.
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t") else text


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""`show`: rows as a table or as JSON lines, with their text where the keys are given."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import orjson

from serving.audit.selection import Row
from serving.gateway.audit.content import SubjectKeys, SubjectKeyUnusable, load_master_key
from serving.gateway.audit.rows import place_of

_COLUMNS = (
    ("time", 27),
    ("status", 6),
    ("finish", 8),
    ("client", 16),
    ("model", 20),
    ("tokens", 13),
    ("ms", 10),
    ("reason", 20),
    ("request_id", 0),
)
UNREADABLE = "(no key: erased, or not in this folder)"


def open_keys(folder: Path, master_key_file: Path) -> SubjectKeys:
    """Raises OSError and MasterKeyUnusable."""
    return SubjectKeys(folder, load_master_key(master_key_file, create=False))


def with_text(row: Row, keys: SubjectKeys | None) -> dict[str, Any]:
    """The row's fields; encrypted content is replaced by its text where that can be read."""
    chain, fields = row
    content: Any = fields.get("content")
    if type(content) is not dict or keys is None:
        return fields
    encrypted = cast("dict[str, Any]", content)
    try:
        text = keys.decrypt(str(fields.get("subject")), place_of(chain, fields["seq"]), encrypted)
    except SubjectKeyUnusable:
        text = None
    return {**fields, "content": UNREADABLE if text is None else orjson.loads(text)}


def show_lines(rows: Iterable[dict[str, Any]]) -> None:
    """JSON lines."""
    for row in rows:
        sys.stdout.write(orjson.dumps(row).decode() + "\n")


def show_table(rows: Iterable[dict[str, Any]]) -> None:
    """For people."""
    _line({name: name for name, _ in _COLUMNS})
    for row in rows:
        shown = {name: row.get(name) for name, _ in _COLUMNS}
        shown["tokens"] = f"{row.get('prompt_tokens', 0)}+{row.get('output_tokens', 0)}"
        shown["ms"] = row.get("duration_ms")
        _line(shown)
        content: Any = row.get("content")
        if content is not None:
            encrypted = type(content) is dict and "text" in cast("dict[str, Any]", content)
            shown = "(encrypted)" if encrypted else _text(cast("object", content))
            sys.stdout.write(f"    {shown}\n")


def _line(values: dict[str, Any]) -> None:
    cells = ["-" if values[name] is None else str(values[name]) for name, _ in _COLUMNS]
    padded = [cell.ljust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True)]
    sys.stdout.write(_printable("  ".join(padded)).rstrip() + "\n")


def _text(content: object) -> str:
    return _printable(content if type(content) is str else orjson.dumps(content).decode())


def _printable(text: str) -> str:
    """What a row holds must not move the cursor of the terminal that shows it."""
    return "".join(character if character.isprintable() else "?" for character in text)

"""A version on disk: a folder with the weights and, beside them, `card.json`, which says what they are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

CARD = "card.json"
# Of a version of several files: whoever copies it to a bucket has there what `source: {kind: s3}` asks for.
SUMS = "SHA256SUMS"
_CHUNK_BYTES = 8 * 1024 * 1024


def files(folder: Path) -> list[dict[str, Any]]:
    """Every file of a version but its card, by path below it, with its digest. The last one of several is the list of
    the others' digests, as `sha256sum` writes it."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CARD)
    listed = [_file(path, folder) for path in found]
    if len(listed) < 2:
        return listed
    sums = folder / SUMS
    sums.write_text("".join(f"{one['sha256']}  {one['file']}\n" for one in listed), encoding="utf-8")
    return [*listed, _file(sums, folder)]


def register(unfinished: Path, target: Path, card: dict[str, Any]) -> None:
    """Whole or not at all: who looks for versions finds none without a card."""
    content = msgspec.json.format(msgspec.json.encode(card), indent=2)
    (unfinished / CARD).write_bytes(content + b"\n")
    unfinished.rename(target)


def _file(path: Path, folder: Path) -> dict[str, Any]:
    return {"file": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()

"""A folder of rendered files: written whole, and nothing in it that is somebody else's is ever touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from infra.problems import Problem, Refused, listing

# What was written, by path, with its SHA-256.
INDEX = ".rendered.json"
MOST_NAMED = 5


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Makes `folder` hold exactly `files`, by path. What an earlier call wrote there goes; with anything else in it, or
    something of ours that was changed, Refused, and nothing is touched."""
    try:
        earlier = _earlier(folder)
        for path in earlier:
            path.unlink()
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        written = {path: _digest(text.encode()) for path, text in sorted(files.items())}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        emptied = {parent for path in earlier for parent in path.parents if folder in parent.parents}
        for parent in sorted(emptied, reverse=True):
            if not any(parent.iterdir()):
                parent.rmdir()
    except OSError as error:
        found = f"`{error.filename}`: {(error.strerror or 'cannot be written').lower()}"
        raise _refused(found, "a folder that you may write", "name another one") from None


def _earlier(folder: Path) -> list[Path]:
    """The files of an earlier call, all unchanged."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise _refused(f"`{folder}`, which is no folder", "a folder, or a name that is free", "name another one")
    written = _index(folder / INDEX)
    there = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    ours = [path for path in there if path != folder / INDEX]
    foreign = [
        str(path.relative_to(folder))
        for path in ours
        if path.is_symlink()
        or not path.is_file()
        or written.get(path.relative_to(folder).as_posix()) != _digest(path.read_bytes())
    ]
    if foreign:
        more = f" and {len(foreign) - MOST_NAMED} more" if len(foreign) > MOST_NAMED else ""
        raise _refused(
            f"what no rendering wrote, or what was changed since: {listing(foreign[:MOST_NAMED])}{more}",
            "a folder that is empty, free, or holds just what was rendered there before",
            "name another folder, or move these away: nothing of them is ever removed",
        )
    return ours


def _index(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _refused(found: str, allowed: str, remedy: str) -> Refused:
    return Refused("the command", [Problem(where="--out", found=found, allowed=allowed, remedy=remedy)])

"""Older versions of a model make room for newer ones, and what killed makings have left goes too.

What has no card was not registered here, and stays.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from serving.making.config import MakingConfig
from serving.making.registering import CARD

# Of a version that is being made, and of one that is being removed.
UNFINISHED, LEAVING = ".unfinished", ".leaving"


class _File(msgspec.Struct):
    sha256: str = ""


class _Card(msgspec.Struct):
    """Of a card, what is read here."""

    made_at: datetime
    files: list[_File] = []


def pruned(config: MakingConfig, told: Callable[[str], None], *, registered: bool) -> list[str]:
    """Removes what is too much, and says the names of what it removed. What cannot be removed is told: the making is
    good all the same."""
    folder = Path(config.folder)
    found = [*_abandoned(folder, config.abandoned_seconds)]
    if registered and config.keep_versions is not None:
        found += _too_many(folder, config)
    return [path.name for path in found if _removed(path, told)]


def _too_many(folder: Path, config: MakingConfig) -> list[Path]:
    """The oldest beyond as many as are kept. The one that was just made and those in use are kept first."""
    assert config.keep_versions is not None
    newest = sorted(_versions(folder), key=lambda one: one[1].made_at, reverse=True)
    used = {*config.in_use}
    wanted = [path for path, card in newest if path.name == config.version or _digests(card) & used]
    others = [path for path, _ in newest if path not in wanted]
    return others[max(0, config.keep_versions - len(wanted)) :]


def _versions(folder: Path) -> Iterator[tuple[Path, _Card]]:
    for file in folder.glob(f"*/{CARD}"):
        if not file.parent.name.startswith("."):
            try:
                yield file.parent, msgspec.json.decode(file.read_bytes(), type=_Card)
            except (OSError, msgspec.MsgspecError):
                continue


def _digests(card: _Card) -> set[str]:
    return {file.sha256 for file in card.files}


def _abandoned(folder: Path, seconds: float) -> Iterator[Path]:
    """Half-made folders into which nobody has written for so long that nobody will."""
    for path in sorted(folder.glob(".*")):
        if path.suffix in (UNFINISHED, LEAVING) and path.is_dir() and time.time() - _written(path) > seconds:
            yield path


def _written(folder: Path) -> float:
    """When anything below it was last written."""
    found = [folder.stat().st_mtime]
    for path in folder.rglob("*"):
        try:
            found.append(path.lstat().st_mtime)
        except OSError:
            continue
    return max(found)


def _removed(path: Path, told: Callable[[str], None]) -> bool:
    """Who looks for versions finds none that is half gone."""
    try:
        leaving = path if path.name.startswith(".") else path.rename(path.with_name(f".{path.name}{LEAVING}"))
        shutil.rmtree(leaving)
    except OSError as why:
        told(f"{path} cannot be removed: {(why.strerror or 'unknown').lower()}")
        return False
    told(f"{path} is removed")
    return True

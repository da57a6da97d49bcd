"""Versions of models that are registered on this machine: a folder each, with a card beside the weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.plan.plan_data import NOTHING, mapping, number, sequence, text

# Below a checkout, as `make optimise` writes them: MODEL/VERSION/card.json.
VERSIONS = Path(".slipway", "models")
CARD = "card.json"
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Version:
    """One of them. `right_percent` are right answers, `original_right_percent` those of what it was made from; `path`
    is that of its file, or of its folder where it has several. `parent` is where it was made from, of that version and
    itself from `grandparent`. `served_in` are stacks whose source it is."""

    model: str
    version: str
    path: str
    sha256: str | None
    mebibytes: float
    quantization: str | None
    license: str | None
    parent: str | None
    parent_version: str | None
    grandparent: str | None
    trained_on: str | None
    made_by: str | None
    made_at: str | None
    evaluation: str | None
    right_percent: float | None
    original_right_percent: float | None
    served_in: tuple[str, ...]


def versions(root: Path, served: Iterable[tuple[str, str]]) -> list[Version]:
    """All below a checkout; a folder without a card that can be read is none. `served` are stacks with the digest of
    what they serve."""
    known = list(served)
    return [
        _version(file.relative_to(root).parent, card, known)
        for file in sorted((root / VERSIONS).glob(f"*/*/{CARD}"))
        for card in _read(file)
    ]


def _read(file: Path) -> Iterator[dict[str, Any]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if isinstance(content, dict):
        yield content


def _version(folder: Path, card: dict[str, Any], served: list[tuple[str, str]]) -> Version:
    files = [mapping(file) for file in sequence(card, "files")]
    only = files[0] if len(files) == 1 else NOTHING
    sha256 = text(only, "sha256")
    return Version(
        model=folder.parent.name,
        version=folder.name,
        path=(folder / (text(only, "file") or "")).as_posix(),
        sha256=sha256,
        mebibytes=round(sum(number(file, "bytes") or 0.0 for file in files) / _MEBIBYTE, 1),
        quantization=text(card, "quantization"),
        license=text(card, "license"),
        parent=text(card, "parent", "source"),
        parent_version=text(card, "parent", "version"),
        grandparent=text(card, "parent", "parent"),
        trained_on=text(card, "trained_on"),
        made_by=text(card, "made_by", "tool"),
        made_at=text(card, "made_at"),
        evaluation=text(card, "evaluated", "evaluation"),
        right_percent=number(card, "evaluated", "result", "right_percent"),
        original_right_percent=number(card, "evaluated", "original", "right_percent"),
        served_in=tuple(stack for stack, digest in served if digest == sha256),
    )

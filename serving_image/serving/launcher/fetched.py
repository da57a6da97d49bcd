"""Weights at their place: the note of what was fetched there, and whether all of it still is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serving.launcher.refusal import Refusal

# Files whose reader may run code that is in them. Weights are safetensors or GGUF.
UNSAFE = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".py", ".npz", ".h5", ".msgpack")


def note_of(target: Path) -> Path:
    """Beside the weights, since a single file has no room inside."""
    return target.parent / f".{target.name}.fetched.json"


def write_note(target: Path, weights: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    """The last step: without it nothing was fetched. `sizes` are by path below the target, the empty one itself."""
    note = note_of(target)
    partial = note.with_suffix(".partial")
    partial.write_text(json.dumps({"weights": dict(weights), "sizes": dict(sizes)}, sort_keys=True), encoding="utf-8")
    partial.replace(note)


def was_fetched(target: Path, weights: Mapping[str, Any]) -> bool:
    """Whether exactly these are there, whole."""
    note = _note(target)
    return note is not None and note["weights"] == dict(weights) and not list(_missing(target, note["sizes"]))


def look_at_fetched(target: Path) -> Path:
    """Raises Refusal unless everything is there that was fetched and checked. Digests are not computed again: that took
    longer than the start of an engine, and nobody else writes there."""
    note = _note(target)
    missing = ["nothing that was fetched and checked"] if note is None else list(_missing(target, note["sizes"]))
    if missing:
        raise Refusal(
            where=f"weights at {target}",
            found=", ".join(missing[:3]),
            allowed="weights that `python -m serving.launcher fetch` brought there",
            remedy="look at the job or container that fetches them, and start this again",
        )
    return target


def look_at_mounted(target: Path) -> Path:
    """Raises Refusal unless weights are there whose reader runs no code of theirs."""
    found = [target] if target.is_file() else sorted(path for path in target.rglob("*") if path.is_file())
    unsafe = [path.name for path in found if path.name.endswith(UNSAFE)]
    weights = [path for path in found if path.name.endswith((".safetensors", ".gguf")) or path == target]
    if unsafe or not weights:
        raise Refusal(
            where=f"weights at {target}",
            found=f"`{unsafe[0]}`, which may hold code" if unsafe else "no weights",
            allowed="safetensors or GGUF, with their configuration",
            remedy="mount an image of such weights, without files of other formats",
        )
    return target


def _note(target: Path) -> dict[str, Any] | None:
    try:
        return json.loads(note_of(target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _missing(target: Path, sizes: Mapping[str, int]) -> Iterator[str]:
    for name, size in sizes.items():
        path = target / name if name else target
        if not path.is_file() or path.stat().st_size != size:
            yield f"not all of `{name or target.name}`"

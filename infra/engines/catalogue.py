"""The catalogue of engines: the version that is rendered for, its image, and every flag that it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.catalog.released_images import released_image
from infra.plan.types import Image

CATALOGUE = Path(__file__).parent.parent / "catalog"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags that one version of an engine's server takes. Of these, `decided` are the plan's own, each with what
    decides it, and `unsafe` are never passed, each with the reason. `removed` are those that it took once, each with
    what to do instead; `choices` are the values that some flags take."""

    kind: str
    version: str
    taken: frozenset[str]
    removed: Mapping[str, str]
    decided: Mapping[str, str]
    unsafe: Mapping[str, str]
    choices: Mapping[str, Sequence[str]]


@cache
def flags(kind: str) -> Flags:
    known, kept = _read("engine_flags.json")[kind], _read("engine_kept_flags.json")[kind]
    return Flags(
        kind=kind,
        version=known["version"],
        taken=frozenset(known["flags"]),
        removed=known["removed"],
        decided={flag: place for place, group in kept["decided"].items() for flag in group},
        unsafe={flag: reason for reason, group in kept["unsafe"].items() for flag in group},
        choices=known["choices"],
    )


def version(kind: str) -> str | None:
    """That which is rendered for; None for an engine that is not in the catalogue."""
    known = _read("engine_versions.json").get(kind)
    return known and known["version"]


def image(entry: str, own: str | None, registry: str | None = None) -> Image:
    """The one that a user pins by digest; else that of our latest release, in the user's `registry` if there is one;
    else the engine's own, as the catalogue has it."""
    known = _read("engine_versions.json")[entry]
    if own is not None:
        name, _, digest = own.partition("@")
        # `host:5000/name` has a port, not a tag.
        repository, colon, tag = name.rpartition(":")
        tagged = bool(colon) and "/" not in tag
        return Image(repository=repository if tagged else name, tag=tag if tagged else None, digest=digest, entry=entry)
    if released := released_image(entry, registry):
        return released
    return Image(repository=known["image"], tag=known["tag"], digest=known["digest"], entry=entry)


@cache
def _read(name: str) -> Any:
    return json.loads((CATALOGUE / name).read_text(encoding="utf-8"))

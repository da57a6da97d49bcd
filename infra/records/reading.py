"""Records below a checkout, read without trust: what is none is told, and left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.making.versions import versions
from infra.plan.plan_data import NOTHING, Data, mapping, number, sequence, text, texts
from infra.problems import Problem

# Below a checkout, as `make trial`, `make optimise` and `make refresh` write them: STACK/MODEL/TRIAL/MOMENT.json.
RECORDS = Path(".slipway", "records")
LOAD, MAKING = "load", "making"
KINDS = ("prompts", "lm_evaluation_harness", LOAD)
_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Record:
    """`name` is that of its trial or making (`chat/facts`), `kind` a trial's or `making`, `version` that of the weights
    that were tried, or made, by its name where it has one; `passed` whether all held that had to."""

    name: str
    kind: str
    version: str
    at: str
    passed: bool
    file: str
    data: Data

    @property
    def model(self) -> str:
        return self.name.partition("/")[0]

    @property
    def trial(self) -> str:
        return self.name.partition("/")[2]

    def figure(self, *path: str) -> float | None:
        """A number of it that is not negative; None where it has none."""
        found = number(self.data, *path)
        return None if found is None or found < 0 else found

    @property
    def verdicts(self) -> list[tuple[str, float | None, float]]:
        """What had to hold, what was measured, and the bound."""
        return [
            (what, number(one, "measured"), allowed)
            for one in map(mapping, sequence(self.data, "verdicts"))
            if (what := text(one, "what")) is not None and (allowed := number(one, "allowed")) is not None
        ]

    def wrong(self, *path: str) -> tuple[str, ...]:
        """Cases whose answers were not right; of many, the last says how many more."""
        return texts(self.data, *path, "wrong")


@dataclass(frozen=True, kw_only=True)
class Read:
    """What is there, the oldest first, and what is there and no record."""

    records: tuple[Record, ...]
    problems: tuple[Problem, ...]


def read(root: Path, stack: str) -> Read:
    """All of a stack."""
    names = {one.sha256[:_DIGITS]: one.version for one in versions(root, ()) if one.sha256}
    found = [_read(file, root, names) for file in sorted((root / RECORDS / stack).glob("*/*/*.json"))]
    records = [one for one in found if isinstance(one, Record)]
    return Read(
        records=tuple(sorted(records, key=lambda one: (one.at, one.name))),
        problems=tuple(one for one in found if isinstance(one, Problem)),
    )


def _read(file: Path, root: Path, names: Mapping[str, str]) -> Record | Problem:
    data: Data = NOTHING
    try:
        # As floats: of a number that is too large for one nothing can be drawn.
        data = mapping(json.loads(file.read_text(encoding="utf-8"), parse_int=float))
        missing = [*_missing(data)]
    except (OSError, ValueError, RecursionError) as error:
        missing = [getattr(error, "strerror", None) or "no JSON"]
    where = file.relative_to(root).as_posix()
    if missing:
        return Problem(
            where=where,
            found=", ".join(missing).lower(),
            allowed="a record that `make trial`, `make optimise` or `make refresh` has written",
            remedy="remove the file, and make the record again",
        )
    making = text(data, "making") is not None
    version = text(data, "version") if making else text(data, "about", "version")
    return Record(
        name="/".join(file.relative_to(root).parts[-3:-1]),
        kind=MAKING if making else text(data, "kind") or "",
        version=names.get(version or "", version or ""),
        at=text(data, "at") or "",
        passed=data.get("registered" if making else "passed") is True,
        file=where,
        data=data,
    )


def _missing(data: Data) -> Iterator[str]:
    """What every record has, and this one has not."""
    making = text(data, "making") is not None
    if not making and text(data, "kind") not in KINDS:
        yield f"`kind` is none of {', '.join(KINDS)}"
    for path in (("version",) if making else ("about", "version"), ("at",)):
        if not text(data, *path):
            yield f"no `{'.'.join(path)}`"
    if not isinstance(data.get("figures"), dict):
        yield "no `figures`"
    try:
        datetime.fromisoformat(text(data, "at") or "0001-01-01")
    except ValueError:
        yield "`at` is no moment"


def newest_of_each(records: list[Record], most: int) -> list[Record]:
    """The last record of each version, in the order in which versions came first; the last few of them."""
    last = {one.version: one for one in records}
    return [*last.values()][-most:]

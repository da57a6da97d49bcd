"""Reads an audit row by row, in bounded memory: each segment's chain is followed as it is read, nothing is left out
without a word. Signatures are `python -m serving.audit verify`'s.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from infra.problems import Problem, Refused

SEGMENT = re.compile(r"([0-9a-f]{8})-([0-9]{8})\.jsonl")
# An answer whose row was written before its end has a second row when it ended otherwise: never further behind than
# the gateway's queue of rows (`queue_rows` of its audit, 16,384), here four times that.
REMEMBERED = 65_536
SAME_START_SECONDS = 0.05
MOST_PROBLEMS = 100
LONGEST_LINE_BYTES = 16 * 1024 * 1024
UNTOUCHED = "compare it with its copy in the object store; `python -m serving.audit verify` says what else is wrong"


@dataclass(frozen=True, kw_only=True)
class Used:
    """One request, as far as it is used and paid. `sign` is -1 where a later row takes an earlier one back."""

    moment: str
    client: str | None
    model: str | None
    status: int
    prompt_tokens: int
    output_tokens: int
    cost: float | None
    sign: int = 1


@dataclass
class Reading:
    """What was read, and what was wrong with it. `removed` are rows that a retention has taken before these."""

    files: int = 0
    requests: int = 0
    replaced: int = 0
    omitted: int = 0
    interruptions: int = 0
    removed: int = 0
    first: str = ""
    last: str = ""
    chains: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    unchained: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    more_problems: int = 0

    def wrong(self, where: str, found: str, allowed: str, remedy: str = UNTOUCHED) -> None:
        """Notes one; beyond the first hundred they are counted."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(where=where, found=found, allowed=allowed, remedy=remedy))
        else:
            self.more_problems += 1


def files_of(path: Path) -> list[Path]:
    """The segments of a folder, chain by chain in their order, or the one file. Raises Refused."""
    if path.is_file():
        return [path]
    found = sorted(one for one in path.rglob("*.jsonl") if SEGMENT.fullmatch(one.name)) if path.is_dir() else []
    if not found:
        problem = Problem(
            where="--audit",
            found=f"`{path}`, in which there is no row of an audit",
            allowed="the folder of an audit, a copy of it, one of its segments, or the `rows.jsonl` of an export",
            remedy="name `gateway.audit`'s folder: `.slipway/gateway/STACK/SITE/audit` on this machine, a copy of the "
            "bucket elsewhere",
        )
        raise Refused("the command", [problem])
    return sorted(found, key=lambda one: (one.name[:8], one.name))


def read(files: list[Path], reading: Reading) -> Iterator[Used]:
    """Every request of the files."""
    walk = _Walk(reading)
    for file in files:
        reading.files += 1
        yield from walk.file(file)


class _Walk:
    """Follows each chain over its files."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        # By chain: its last line's number and hash.
        self._ends: dict[str, tuple[int, str]] = {}
        self._recent: OrderedDict[tuple[Any, ...], tuple[float, Used]] = OrderedDict()

    def file(self, file: Path) -> Iterator[Used]:
        """Each request of one file."""
        named = SEGMENT.fullmatch(file.name)
        chain = named[1] if named else None
        with file.open("rb") as lines:
            number = 0
            while raw := lines.readline(LONGEST_LINE_BYTES):
                number += 1
                where = f"{file}:{number}"
                row = self._row(where, raw)
                if row is None:
                    continue
                if chain is not None and "row" not in row:
                    self._follow(where, chain, row, raw.removesuffix(b"\n"))
                else:
                    self._reading.unchained += 1
                    row = cast("dict[str, Any]", row.get("row", row))
                yield from self._used(where, row)

    def _row(self, where: str, raw: bytes) -> dict[str, Any] | None:
        try:
            found: Any = json.loads(raw)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and raw.endswith(b"\n"):
            return cast("dict[str, Any]", found)
        torn = not raw.endswith(b"\n")
        what = "the beginning of a row that is being, or was never wholly, written" if torn else "something else"
        self._reading.wrong(where, what, "whole rows, each a line")
        return None

    def _follow(self, where: str, chain: str, row: dict[str, Any], line: bytes) -> None:
        """Whether this row is the one that comes next in its chain."""
        reading, number, before = self._reading, row.get("seq"), row.get("prev")
        if not isinstance(number, int):
            reading.wrong(where, "a row without its number", "rows as a gateway wrote them")
            return
        end = self._ends.get(chain)
        if end is None:
            reading.removed += number - 1
        elif number != end[0] + 1:
            reading.wrong(where, f"row {number} of chain {chain}", f"row {end[0] + 1}: those between are missing")
        elif before != end[1]:
            reading.wrong(where, "a row that does not follow", "the hash of the row before: that or this was changed")
        self._ends[chain] = (number, hashlib.sha256(line).hexdigest())
        first = reading.chains.get(chain, (number, number))[0]
        reading.chains[chain] = (first, number)

    def _used(self, where: str, row: dict[str, Any]) -> Iterator[Used]:
        reading, kind = self._reading, row.get("kind")
        if kind == "omitted":
            reading.omitted += _whole(row.get("refusals")) or 0
        elif kind == "interruption":
            reading.interruptions += 1
        if kind != "request":
            return
        used, started = _request(row)
        if used is None or started is None:
            reading.wrong(where, "a request without a time, a status or tokens", "rows as a gateway wrote them")
            return
        reading.requests += 1
        reading.first = min(reading.first or used.moment, used.moment)
        reading.last = max(reading.last, used.moment)
        key = tuple(row.get(name) for name in ("request_id", "client", "key", "endpoint", "model"))
        known = self._recent.get(key)
        # The same request once more, and not another one under an id that its client chose: it began at that moment.
        if known is not None and row.get("finish") != "complete" and abs(known[0] - started) < SAME_START_SECONDS:
            reading.replaced += 1
            yield replace(known[1], sign=-1)
        if row.get("finish") == "complete":
            self._recent[key] = (started, used)
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        yield used


def _request(row: Mapping[str, Any]) -> tuple[Used | None, float | None]:
    status, prompt, output = (_whole(row.get(name)) for name in ("status", "prompt_tokens", "output_tokens"))
    moment, cost, took = row.get("time"), row.get("cost"), row.get("duration_ms")
    client, model = row.get("client"), row.get("model")
    if status is None or prompt is None or output is None or not isinstance(moment, str):
        return None, None
    if not isinstance(cost, int | float | None) or not isinstance(took, int | float):
        return None, None
    if not isinstance(client, str | None) or not isinstance(model, str | None):
        return None, None
    try:
        at = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None, None
    used = Used(
        moment=moment,
        client=client,
        model=model,
        status=status,
        prompt_tokens=prompt,
        output_tokens=output,
        cost=None if cost is None else float(cost),
    )
    return used, at.timestamp() - took / 1000


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

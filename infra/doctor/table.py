"""Findings as one table for a terminal of any width, or as JSON."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from infra.doctor.finding import Finding, State

Found = Mapping[str, Sequence[Finding]]
NARROWEST, WIDEST = 60, 160
GAP = "  "
COLOURS = {State.OK: "32", State.MISSING: "1;31", State.LOOK: "33", State.UNKNOWN: "36"}
COUNTED = {
    State.MISSING: "missing",
    State.LOOK: "to look at",
    State.UNKNOWN: "that cannot be told",
    State.OK: "as it must be",
}


def to_table(stack: str, found: Found, *, width: int, colours: bool) -> str:
    """Every row, also those where all is well: what was looked at is an answer too."""
    return "\n".join(_lines(stack, found, min(WIDEST, max(NARROWEST, width)), colours))


def to_json(stack: str, found: Found) -> str:
    """The same, for programs."""
    rows = [
        {"site": site or None, "state": one.state.name.lower(), "what": one.what, "found": one.found, "do": one.remedy}
        for site, findings in found.items()
        for one in findings
    ]
    return json.dumps({"stack": stack, "missing": is_missing(found), "findings": rows}, indent=2, ensure_ascii=False)


def is_missing(found: Found) -> bool:
    """Whether something that is required is not there."""
    return any(one.state is State.MISSING for findings in found.values() for one in findings)


def _lines(stack: str, found: Found, width: int, colours: bool) -> Iterator[str]:
    first = max(len(state.value) for state in State)
    longest = max((len(one.what) for findings in found.values() for one in findings), default=4)
    second = min(longest, width // 4)
    rest = width - first - second - 3 * len(GAP)
    third = rest // 2
    widths = (first, second, third, rest - third)
    yield from _row(("", "what", "found", "do"), widths, None)
    for site, findings in found.items():
        yield ""
        yield f"site {site}" if site else f"stack {stack}"
        for one in findings:
            cells = (one.state.value, one.what, one.found, one.remedy)
            # Where nothing is to be done, what was found has the room of both.
            across = widths if one.remedy else (first, second, rest + len(GAP), 0)
            yield from _row(cells, across, COLOURS[one.state] if colours else None)
    counts = Counter(one.state for findings in found.values() for one in findings)
    yield ""
    yield from textwrap.wrap(", ".join(f"{counts[s]} {words}" for s, words in COUNTED.items() if counts[s]), width)


def _row(cells: Sequence[str], widths: Sequence[int], colour: str | None) -> Iterator[str]:
    columns = [
        textwrap.wrap(cell, wide, break_on_hyphens=False) if wide else []
        for cell, wide in zip(cells, widths, strict=True)
    ]
    for number in range(max(map(len, columns))):
        parts = [
            (column[number] if number < len(column) else "").ljust(wide)
            for column, wide in zip(columns, widths, strict=True)
        ]
        if colour and number == 0:
            parts[0] = f"\x1b[{colour}m{parts[0]}\x1b[0m"
        yield GAP.join(parts).rstrip()

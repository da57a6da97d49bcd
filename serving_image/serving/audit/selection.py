"""Which rows a command is about: times, client, model, status."""

from __future__ import annotations

import datetime
import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.audit.problem import CommandProblem
from serving.audit.verification import rows_in

_STATUS = re.compile(r"[1-5](xx|[0-9][0-9])")
Row = tuple[str, dict[str, Any]]
"""(chain, fields)."""


@dataclass(frozen=True)
class Selection:
    """None: whatever it is. Times are RFC 3339 in UTC as rows have them."""

    since: str | None = None
    until: str | None = None
    client: str | None = None
    subject: str | None = None
    model: str | None = None
    status: str | None = None
    kinds: tuple[str, ...] = ("request",)

    def takes(self, row: dict[str, Any]) -> bool:
        """Whether this row is meant."""
        time = row.get("time", "")
        return (
            row["kind"] in self.kinds
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
            and all(
                wanted is None or row.get(name) == wanted
                for name, wanted in (("client", self.client), ("subject", self.subject), ("model", self.model))
            )
            and (self.status is None or _status_is(str(row.get("status")), self.status))
        )

    def rows(self, folder: Path) -> Iterator[Row]:
        """The rows of all chains, in the order of their times. Raises OSError."""
        chosen: list[tuple[str, int, Row]] = []
        for number, (chain, fields) in enumerate(rows_in(folder)):
            if self.takes(fields):
                heapq.heappush(chosen, (fields.get("time", ""), number, (chain, fields)))
        while chosen:
            yield heapq.heappop(chosen)[2]


def moment(option: str, text: str | None) -> str | None:
    """A time from the command line, as rows write it."""
    if text is None:
        return None
    try:
        parsed = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise CommandProblem(
            option,
            repr(text[:64]),
            "a date or time as RFC 3339 has it, for example 2026-11-24T08:00:00Z",
            "Correct it.",
        ) from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=datetime.UTC)
    return parsed.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def status_pattern(text: str | None) -> str | None:
    """`404` or `4xx`."""
    if text is not None and not _STATUS.fullmatch(text):
        raise CommandProblem("--status", repr(text[:64]), "a status such as 404, or a class such as 4xx", "Correct it.")
    return text


def _status_is(status: str, pattern: str) -> bool:
    return status[:1] == pattern[:1] if pattern.endswith("xx") else status == pattern

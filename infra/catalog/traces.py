"""Recorded traffic: when each request came and how long it was. Azure's traces are here, as `traces/README.md` says;
anybody's own is a CSV file with the same three columns."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("traces")
PUBLISHED = {
    "azure_2023_conversation": "azure_llm_2023_conv.csv.gz",
    "azure_2023_code": "azure_llm_2023_code.csv.gz",
}
# Unpacked. An hour of Azure's conversations has less than one of these.
MOST_BYTES = 64 * 2**20
MOST_TOKENS = 10_000_000
_INPUT = ("input_tokens", "ContextTokens", "context_tokens")
_OUTPUT = ("output_tokens", "GeneratedTokens", "generated_tokens")


class Request(NamedTuple):
    """When it comes, in seconds since the first one, and how long it is."""

    at: float
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Trace:
    """Requests in the order in which they came, and the digest of the file's bytes."""

    requests: tuple[Request, ...]
    sha256: str


@dataclass(frozen=True)
class Unreadable:
    """Why a file is no trace, and what would be one."""

    found: str
    allowed: str = "a CSV file with `seconds` (or `TIMESTAMP`), `input_tokens` and `output_tokens`"
    remedy: str = "correct it"


@cache
def published(name: str) -> Trace:
    """One of `PUBLISHED`."""
    found = read(FOLDER / PUBLISHED[name])
    assert isinstance(found, Trace), found
    return found


def read(path: Path) -> Trace | Unreadable:
    """The trace in a CSV file, packed where its name ends in `.gz`."""
    if not path.is_file():
        return Unreadable("no such file", remedy="write its path from the checkout's root")
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        sha256 = hashlib.sha256(content).hexdigest()
        if path.suffix == ".gz":
            with gzip.open(io.BytesIO(content)) as packed:
                content = packed.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            return Unreadable(
                "a file of more than 64 MiB", "traces of 64 MiB at most, unpacked", "cut out the hours that count"
            )
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        found = [*_requests(rows)]
    except UnicodeDecodeError:
        return Unreadable("a file that is not UTF-8")
    except (OSError, EOFError) as error:
        return Unreadable(f"a file that cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}")
    except (_Unlike, csv.Error) as why:
        return Unreadable(str(why))
    if not found:
        return Unreadable("a file without a request")
    first = min(one.at for one in found)
    moved = (one._replace(at=round(one.at - first, 6)) for one in found)
    return Trace(requests=tuple(sorted(moved, key=lambda one: one.at)), sha256=sha256)


class _Unlike(Exception):
    """A row or a header that no trace has."""


def _requests(rows: csv.DictReader[str]) -> Iterator[Request]:
    header = rows.fieldnames or ()
    clock = next((name for name in _CLOCKS if name in header), None)
    asked, answered = (next((name for name in names if name in header), None) for names in (_INPUT, _OUTPUT))
    if clock is None or asked is None or answered is None:
        lacking = {"time": clock, "input tokens": asked, "output tokens": answered}
        raise _Unlike(f"no column of {', '.join(what for what, name in lacking.items() if name is None)}")
    at = 0.0
    for row in rows:
        try:
            at = _CLOCKS[clock](row[clock], at)
            request = Request(at, int(row[asked]), int(row[answered]))
        except (ValueError, TypeError):
            raise _Unlike(f"line {rows.line_num}: no time and two whole numbers") from None
        if not math.isfinite(at) or not all(0 <= tokens <= MOST_TOKENS for tokens in request[1:]):
            raise _Unlike(f"line {rows.line_num}: a time or a number of tokens that no request has")
        yield request


def _moment(time: datetime) -> float:
    # No clock of this machine's place: an hour would come twice in autumn.
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


# By column, the time of a row in seconds, after that of the row before it.
_CLOCKS: Mapping[str, Callable[[str, float], float]] = {
    "seconds": lambda cell, _: float(cell),
    "after_ms": lambda cell, before: before + int(cell) / 1e3,
    "TIMESTAMP": lambda cell, _: _moment(datetime.fromisoformat(cell)),
}

"""Wall-clock time as RFC 3339 in UTC, with microseconds; the date part is computed once per second."""

from __future__ import annotations

import time

# One object, so that a thread never sees half of a change.
_known: tuple[int, str] = (0, "")


def rfc3339(moment: float) -> str:
    """`moment` is time.time()'s."""
    global _known
    second = int(moment)
    known, stamp = _known
    if second != known:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _known = (second, stamp)
    return f"{stamp}.{int((moment - second) * 1_000_000):06d}Z"

"""Wall-clock time as RFC 3339 in UTC, with microseconds; the date part is computed once per second."""

from __future__ import annotations

import time

_second = 0
_stamp = ""


def rfc3339(moment: float) -> str:
    """`moment` is time.time()'s."""
    global _second, _stamp
    second = int(moment)
    stamp = _stamp
    if second != _second:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _second, _stamp = second, stamp
    return f"{stamp}.{int((moment - second) * 1_000_000):06d}Z"

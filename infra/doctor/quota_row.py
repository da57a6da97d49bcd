"""A row about a quota: what a cloud allows, less what others use of it, against what a site has at most."""

from __future__ import annotations

from collections.abc import Callable

from infra.doctor.finding import Finding, look, missing, ok
from infra.plan.quota_types import QuotaNeed


def quota_row(need: QuotaNeed, allowed: int, used: int | None, request: Callable[[int], str]) -> Finding:
    """`used` is by others: what a site has itself, it need not be given again. None: nobody tells it. `request` says
    how to ask for as much."""
    counts = f" {need.counts}" if need.counts else ""
    where = " in each zone" if need.per_zone else ""
    others = "what others use is not told" if used is None else f"{used:,} used by others"
    found = f"{allowed:,}{counts}{where} allowed, {others}, {need.needed:,} needed"
    used = used or 0
    if allowed < used + need.needed:
        return missing(called(need), found, request(used + need.needed))
    if need.uncounted:
        unknown = ", ".join(need.uncounted)
        return look(called(need), f"{found}, and what {unknown} have", "see that it is enough for these")
    if allowed < used + need.others:
        return look(
            called(need),
            f"{found}; {need.others:,} where other machines that do as well take the place of the planned ones",
            request(used + need.others),
        )
    return ok(called(need), found)


def called(need: QuotaNeed) -> str:
    return f"quota {need.name}"

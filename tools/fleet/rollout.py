"""Changes sites ring by ring: several at once, and the next ring only when this one has shown that it serves."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from infra.topologies.rollout import Fleet
from tools.fleet.journal import Journal
from tools.fleet.order import Outcome

Step = Callable[[str], Outcome]
Told = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One site in the table of what happened."""

    ring: str
    site: str
    state: str
    seconds: float
    said: str


@dataclass(frozen=True)
class Report:
    """`stopped` is the ring after which nothing more was begun."""

    rows: tuple[Row, ...]
    stopped: str | None

    @property
    def good(self) -> bool:
        """Whether every site is as it should be."""
        return all(row.state in ("changed", "serving") for row in self.rows)


def roll_out(
    fleet: Fleet,
    digests: Mapping[str, str],
    journal: Journal,
    *,
    change: Step,
    ask: Step,
    tell: Told,
    pause: Callable[[float], None] = time.sleep,
) -> Report:
    """Every ring in its order. `change` deploys a site and `ask` has it answer real requests; neither may raise."""
    rows: list[Row] = []
    stopped: str | None = None
    for number, (ring, sites) in enumerate(fleet.rings.items(), 1):
        if stopped is not None:
            rows += [Row(ring, site, "not begun", 0.0, f"ring {stopped} failed") for site in sites]
            continue
        there = journal.serving({site: digests[site] for site in sites})
        waiting = [site for site in sites if site not in there]
        rows += [Row(ring, site, "serving", 0.0, "since an earlier run") for site in sites if site in there]
        tell(f"ring {ring} ({number} of {len(fleet.rings)}): {len(waiting)} of {len(sites)} sites to change")
        for site in waiting:
            journal.left(site)
        changed = at_once(fleet.concurrent_sites, waiting, change, tell, "")
        if any(outcome.good for outcome in changed.values()) and fleet.soak_seconds:
            tell(f"ring {ring}: {fleet.soak_seconds:g} s until it is asked")
            pause(fleet.soak_seconds)
        good = [site for site, outcome in changed.items() if outcome.good]
        # A site that did not change may have been broken by one that did: all that this run touched are asked.
        answers = at_once(fleet.concurrent_sites, good, ask, tell, "asked, ")
        for site in waiting:
            outcome = changed[site]
            if outcome.good and not answers[site].good:
                outcome = replace(answers[site], seconds=outcome.seconds + answers[site].seconds)
            if outcome.good:
                journal.reached(site, digests[site])
            rows.append(Row(ring, site, "changed" if outcome.good else "failed", outcome.seconds, outcome.said))
        failed = sum(row.state == "failed" for row in rows if row.ring == ring)
        if failed * 100 > fleet.failed_percent * len(sites):
            tell(f"ring {ring}: {failed} of {len(sites)} sites failed; no further ring is begun")
            stopped = ring
    return Report(tuple(rows), stopped if any(row.state == "not begun" for row in rows) else None)


def at_once(most: int, sites: list[str], step: Step, tell: Told, doing: str) -> dict[str, Outcome]:
    """One step for each site, so many at the same time; each outcome is told when it is known. When this is
    interrupted, no further site is begun and those that are under way end in order."""
    told = threading.Lock()

    def one(site: str) -> Outcome:
        began = time.monotonic()
        outcome = replace(step(site), seconds=time.monotonic() - began)
        with told:
            tell(f"  {site}: {doing}{outcome.said} ({outcome.seconds:.0f} s)")
        return outcome

    pool = ThreadPoolExecutor(max_workers=most)
    try:
        running = {site: pool.submit(one, site) for site in sites}
        return {site: future.result() for site, future in running.items()}
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

"""Which site of its deployment a stack deploys: `slipway:site`.

One deployment may be many stacks, one for each place that can fail alone, so that none waits for another. Without the
key a stack deploys all sites. Each plans all of them, so what one does never depends on which stack asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from infra.explain import shown
from infra.naming import PROJECT
from infra.problems import Problem, Refused, did_you_mean, listing
from infra.references import section
from infra.stack_file import read_stack_file

SITE_KEY = f"{PROJECT}:site"
MOST_NAMED = 20


def site_in_file(path: Path) -> str | None:
    """As a stack file says it. Raises Refused."""
    site = section(read_stack_file(path).values, "config").get(SITE_KEY)
    if site is None or isinstance(site, str):
        return site
    problem = Problem(
        where=SITE_KEY, found=shown(site), allowed="the name of one site", remedy="write it as text, or leave it out"
    )
    raise Refused(path.name, [problem])


def site_problems(site: str | None, sites: Iterable[str]) -> Iterator[Problem]:
    """A site that the deployment has not."""
    known = [*sites]
    if site is not None and site not in known:
        more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
        yield Problem(
            where=SITE_KEY,
            found=f"{shown(site)}, which is not among the sites",
            allowed=f"{listing(known[:MOST_NAMED])}{more}",
            remedy=did_you_mean(site, known, "name one of these, or leave it out: the stack then deploys all of them"),
        )

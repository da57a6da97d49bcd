"""Names that begin with a site's, and a cluster's: what would make one that its cloud does not take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra.platforms.base import SiteRequest
from infra.problems import Problem


@dataclass(frozen=True, kw_only=True)
class NameBounds:
    """What a cloud takes. `pattern` is what a site's name has to be, in words `letters`; of these there may be `most`,
    and `why`."""

    cloud: str
    pattern: str
    letters: str
    most: int
    why: str


def site_name_problems(request: SiteRequest, bounds: NameBounds) -> Iterator[Problem]:
    """A site's name that others cannot begin with."""
    if not re.fullmatch(bounds.pattern, request.site):
        yield Problem(
            where=request.where,
            found=f"the name `{request.site}`",
            allowed=f"{bounds.letters} on {bounds.cloud}: names there begin with it",
            remedy="give the site another name",
        )
    elif len(request.site) > bounds.most:
        yield Problem(
            where=request.where,
            found=f"a name of {len(request.site)} letters",
            allowed=f"up to {bounds.most} on {bounds.cloud}: names there begin with it, and {bounds.why}",
            remedy="give the site a shorter name",
        )


def cluster_name_problems(request: SiteRequest, cloud: str, name: str, most: int) -> Iterator[Problem]:
    """A cluster's name that is longer than its cloud takes; it is the whole name, and nothing is added to it."""
    if len(name) > most:
        yield Problem(
            where=request.where,
            found=f"a cluster's name of {len(name)} letters, of the stack's and the site's",
            allowed=f"up to {most} on {cloud}",
            remedy="give the stack or the site a shorter name",
        )

"""How names begin that a site on AWS has to give, and what bounds its roles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.catalog.engine_images import engine_images
from infra.naming import normalised
from infra.platforms.base import SiteRequest
from infra.platforms.site_names import NameBounds, cluster_name_problems, site_name_problems
from infra.problems import Problem

# Of names that AWS makes unique itself, the beginning. A bucket's may have 37 letters, with what it is for.
PREFIX_LETTERS = 28
# The provider ends a name that it makes with 8 letters, and refuses what is then too long. That of a node group, of 63
# at most, has the site's, the pool's (`rtx-pro-6000-8`), how it is bought (`reservation`) and the zone's.
SITE_LETTERS = 19
CLUSTER_LETTERS = 100
# Of a cache: a letter first, no two dashes together. Of a bucket: neither `_` nor, between the parts of a name that has
# TLS, `.` (ElastiCache API reference, "CreateReplicationGroup"; S3 user guide, "Bucket naming rules"; read 2026-11).
BOUNDS = NameBounds(
    cloud="AWS",
    pattern=r"[A-Za-z](-?[A-Za-z0-9])*",
    letters="letters, digits and single dashes, a letter first,",
    most=SITE_LETTERS,
    why="of node groups have 63 at most",
)


@dataclass(frozen=True, kw_only=True)
class RoleBounds:
    """Of every role of a site: how its name begins, and the policy beyond which it has no right, whatever it is
    given. Whoever may make roles within both only cannot make one that may do more than itself."""

    name_prefix: str
    boundary_arn: str | None


def name_prefix(stack: str, site: str) -> str:
    """The beginning of the names of a site's things; what may be done with them is bounded by it, too."""
    called = normalised(f"slipway-{stack}-{site}")
    return f"{called[:PREFIX_LETTERS].rstrip('-')}-"


def cluster_name(stack: str, site: str) -> str:
    """The whole name: nothing is added to it."""
    return f"slipway-{normalised(f'{stack}-{site}')}"


def name_problems(request: SiteRequest) -> Iterator[Problem]:
    """What would make names that AWS does not take."""
    site = [*site_name_problems(request, BOUNDS)]
    yield from site
    if not site:
        yield from cluster_name_problems(request, "AWS", cluster_name(request.stack, request.site), CLUSTER_LETTERS)


def repositories(name: str) -> tuple[str, ...]:
    """One for each kind of image that can run here, whatever does now: one that is protected could not go when another
    engine comes, and nothing is paid for an empty one."""
    return tuple(f"{name}/{kind}" for kind in sorted({"gateway", *engine_images()}))

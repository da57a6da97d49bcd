"""What Google calls things that a user names, and what it takes as names of things of a site."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from infra.naming import normalised
from infra.platforms.base import SiteRequest
from infra.platforms.site_names import NameBounds, cluster_name_problems, site_name_problems
from infra.problems import Problem

ProjectId = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$"),
    Field(json_schema_extra={"x-remedy": "write the project's id, not its name or number"}),
]
Region = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]{1,2}$"),
    Field(json_schema_extra={"x-remedy": "write it like `us-central1`"}),
]
Zone = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]{1,2}-[a-z]$"),
    Field(json_schema_extra={"x-remedy": "write the region, a dash and one letter, like `us-central1-a`"}),
]

# What Google takes as the id of a service account (IAM documentation, "Create service accounts", read 2026-11).
ACCOUNT_LETTERS = 30
# Of a cluster (GKE documentation, "Creating a regional cluster", read 2026-11).
CLUSTER_LETTERS = 40
# The provider ends names that it makes with 8 letters, and refuses what is then too long; the longest of a site's is
# `-door-names-certificates` (Certificate Manager takes 64, Compute Engine 63: its documentation, "Naming resources",
# read 2026-11).
BOUNDS = NameBounds(
    cloud="Google Cloud",
    pattern=r"[a-z]([a-z0-9-]*[a-z0-9])?",
    letters="small letters, digits and dashes, a letter first,",
    most=32,
    why="have 64 at most",
)
# Of a value of a label, which says the stack's.
LABEL_LETTERS = 63


def nearest_zone(host: str, zones: Mapping[str, str]) -> str | None:
    """Of managed zones, by the names that they answer for, the one with the longest that the host is in."""
    found = [name for name in zones if f".{host}.".endswith(f".{name.lstrip('.')}")]
    return zones[max(found, key=len)] if found else None


def account_id(name: str, use: str) -> str:
    """The id of a site's service account for a use. One that must be cut says by a few digits of what it was cut."""
    if len(name) + 1 + len(use) <= ACCOUNT_LETTERS:
        return f"{name}-{use}"
    digits = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: ACCOUNT_LETTERS - len(use) - len(digits) - 2].rstrip('-')}-{digits}-{use}"


def cluster_name(stack: str, site: str) -> str:
    """The whole name, of the cluster and what is around it once."""
    return f"slipway-{normalised(f'{stack}-{site}')}"


def name_problems(request: SiteRequest, *, cluster: bool = True) -> Iterator[Problem]:
    """What would make names that Google does not take."""
    site = [*site_name_problems(request, BOUNDS)]
    yield from site
    if cluster and not site:
        name = cluster_name(request.stack, request.site)
        yield from cluster_name_problems(request, "Google Cloud", name, CLUSTER_LETTERS)
    if not cluster and len(request.stack) > LABEL_LETTERS:
        yield Problem(
            where=request.where,
            found=f"a stack's name of {len(request.stack)} letters, which labels say",
            allowed=f"up to {LABEL_LETTERS} on Google Cloud",
            remedy="give the stack a shorter name",
        )

"""Charts at fixed versions, as what Helm is asked for: what they make is their makers', and cannot be seen here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infra.render.registrations import Registration, plain
from infra.render.site import sites

RELEASE = "kubernetes:helm.sh/v3:Release"


def is_fixed(registration: Registration) -> bool:
    """Whether it is a chart that is the same one tomorrow."""
    return registration.type == RELEASE and bool(registration.inputs.get("version"))


def charts(seen: Iterable[Registration]) -> dict[str, dict[str, Any]]:
    """By site and name of the release."""
    seen = list(seen)
    site_of = sites(seen)
    found: dict[str, dict[str, Any]] = {}
    for one in filter(is_fixed, seen):
        asked = plain(dict(one.inputs))
        found.setdefault(site_of[one.urn], {})[str(asked.get("name", one.name))] = asked
    return found

"""Which site a resource belongs to: the outermost component around it."""

from __future__ import annotations

from collections.abc import Sequence

from infra.render.registrations import Registration

STACK = "pulumi:pulumi:Stack"


def sites(seen: Sequence[Registration]) -> dict[str, str]:
    """The name of the outermost component, by the URN of every resource."""
    by_urn = {registration.urn: registration for registration in seen}
    return {registration.urn: _outermost(registration, by_urn).name for registration in seen}


def _outermost(registration: Registration, by_urn: dict[str, Registration]) -> Registration:
    parent = by_urn.get(registration.parent)
    while parent is not None and parent.type != STACK:
        registration, parent = parent, by_urn.get(parent.parent)
    return registration

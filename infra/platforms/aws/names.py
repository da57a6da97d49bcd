"""How names begin that a site on AWS has to give, and what bounds its roles."""

from __future__ import annotations

from dataclasses import dataclass

from infra.catalog.engine_images import engine_images
from infra.naming import normalised

# Of names that AWS makes unique itself, the beginning. A bucket's may have 37 letters, with what it is for.
PREFIX_LETTERS = 28


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


def repositories(name: str) -> tuple[str, ...]:
    """One for each kind of image that can run here, whatever does now: one that is protected could not go when another
    engine comes, and nothing is paid for an empty one."""
    return tuple(f"{name}/{kind}" for kind in sorted({"gateway", *engine_images()}))

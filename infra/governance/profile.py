"""What a profile says in the plan: a line of each site about what is required of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from infra.governance.config import GovernanceSettings
from infra.plan.types import SitePlan


def with_profile(settings: GovernanceSettings, planned: Mapping[str, SitePlan]) -> dict[str, SitePlan]:
    """The same sites, with that line where something is required."""
    if settings.profile == "none":
        return {**planned}
    # Loaded only where something is required: most plans are made without.
    from infra.governance.control import of_profile
    from infra.governance.further_controls import EVERY

    count = len(of_profile(EVERY, settings.profile))
    said = f"{settings.profile}: {count} controls, shown by `python -m infra evidence`"
    return {name: replace(site, security={**site.security, "governance": said}) for name, site in planned.items()}

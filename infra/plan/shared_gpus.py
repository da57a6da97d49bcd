"""GPUs that replicas share: an objective is not for them, as figures are those of a whole GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.config import ModelSettings
from infra.platforms.base import Abilities
from infra.problems import Problem


def shared_problems(where: str, settings: ModelSettings, sites: Mapping[str, Abilities]) -> Iterator[Problem]:
    """Replicas are counted for an objective by the speed of one that has its GPU for itself."""
    if settings.objective is None or settings.accelerator is None:
        return
    gpu = settings.accelerator.type
    for site, able in sites.items():
        if (replicas := able.shared_by.get(gpu, 1)) > 1:
            yield Problem(
                where=f"{where}.objective",
                found=f"an objective, on the site `{site}`, where {replicas} replicas share one `{gpu}`",
                allowed="an objective for GPUs that are a replica's own: nobody has measured how fast a shared one is",
                remedy=f"remove it, or let nobody share `{gpu}` there",
            )

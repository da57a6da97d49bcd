"""What an instance of Cloud Run may be: its GPU, the least that it has with it, its times, what price lists call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra.plan.types import Accelerator, ModelPlan
from infra.platforms.base import SiteRequest
from infra.problems import Problem, listing


@dataclass(frozen=True, kw_only=True)
class Card:
    """A GPU of Cloud Run: what Google calls it, the least that an instance with it has, and where there is one."""

    name: str
    processors: int
    memory_gibibytes: int
    regions: tuple[str, ...]


# Google's documentation, looked up 2026-11; regions by invitation are left out.
CARDS: Mapping[str, Card] = {
    "L4": Card(
        name="nvidia-l4",
        processors=4,
        memory_gibibytes=16,
        regions=("asia-southeast1", "europe-west1", "europe-west4", "us-central1", "us-east4"),
    ),
    "RTX-PRO-6000": Card(
        name="nvidia-rtx-pro-6000",
        processors=20,
        memory_gibibytes=80,
        regions=("asia-southeast1", "europe-west4", "us-central1"),
    ),
}
# What an engine without a card gets, so that with the gateway's an instance has no more than 8 processors and 32 GiB.
PLAIN_PROCESSORS, PLAIN_MEMORY_GIBIBYTES = 6, 28
# A gateway uses one core (measured, see the gateway's pods); it is in every instance.
GATEWAY_PROCESSORS, GATEWAY_MEMORY_GIBIBYTES = 1, 1
# Cloud Run ends an instance that has not started by then.
LONGEST_START_SECONDS = 240
# Of the 10 s between SIGTERM and SIGKILL, what answers get.
STOP_SECONDS = 8
# What one instance may answer at the same time.
MOST_CONCURRENT = 1000


def items(
    processors: int, memory_gibibytes: int, accelerator: Accelerator | None, *, redundant: bool
) -> tuple[tuple[str, float], ...]:
    """What the price list calls one instance's parts, and how much of each."""
    gpu = f"cloud_run_gpu_{accelerator.type.lower().replace('-', '_')}" if accelerator else None
    parts = (("cloud_run_vcpu", processors), ("cloud_run_memory", memory_gibibytes))
    return parts if gpu is None else (*parts, (f"{gpu}{'_redundant' if redundant else ''}", 1))


def card_problems(at: str, where: str, request: SiteRequest, model: ModelPlan) -> Iterator[Problem]:
    """A GPU that Cloud Run has not, more than one, and a region without it."""
    wanted = model.accelerator
    if wanted is None:
        return
    card = CARDS.get(wanted.type)
    if card is None or wanted.count > 1:
        yield Problem(
            where=at,
            found=f"{wanted.count} × {wanted.type}, on the site `{request.site}`",
            allowed=f"one GPU on Cloud Run: {listing(CARDS)}",
            remedy="choose one of these, or another platform for this model",
        )
    elif request.settings.region not in card.regions:
        yield Problem(
            where=f"{where}.region",
            found=f"`{request.settings.region}`, where Cloud Run has no {wanted.type}",
            allowed=listing(card.regions),
            remedy="choose one of these regions, or another GPU",
        )

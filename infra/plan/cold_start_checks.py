"""What a start is too long for: zero replicas without requests that wait as long, and places that end slow starters."""

from __future__ import annotations

import math
from collections.abc import Iterator

from infra.plan.cold_start import WARM_SPARE, ColdStart, serving_seconds_high
from infra.problems import Problem

LONGEST_HOLD_SECONDS = 3600  # what `hold.seconds` may be
# What makes a phase shorter whatever the place.
SHORTER = {
    "pull_image": ("take a smaller image (`engine.image`)",),
    "fetch_weights": ("choose a checkpoint that is stored quantized, or a smaller model",),
}


def scale_to_zero_problems(
    where: str,
    start: ColdStart,
    *,
    min_replicas: int,
    time_to_first_token_seconds: float | None,
    hold_seconds: float | None,
    longest_hold_seconds: int = LONGEST_HOLD_SECONDS,
) -> Iterator[Problem]:
    """Zero replicas need a start within the objective, or requests that are held as long as it takes at worst."""
    # With a spare there are not zero replicas, so its help does not count here.
    spare = WARM_SPARE in start.chosen
    best = start.seconds_low if spare else start.with_chosen_seconds_low
    worst = start.seconds_high if spare else start.with_chosen_seconds_high
    if min_replicas > 0 or (hold_seconds is not None and hold_seconds >= worst):
        return
    if time_to_first_token_seconds is not None and time_to_first_token_seconds >= worst:
        return
    held = "requests are not held" if hold_seconds is None else f"requests are held for {hold_seconds:g} s"
    objective = (
        "no objective for the first token"
        if time_to_first_token_seconds is None
        else f"an objective of {time_to_first_token_seconds:g} s to the first token"
    )
    longest = max(start.phases if spare else start.with_chosen, key=lambda phase: phase.seconds_high)
    wait = math.ceil(worst)
    hold = f"hold requests for {wait} s (`hold: {{seconds: {wait}}}`)"
    yield Problem(
        where=f"{where}.scaling.min_replicas",
        found=f"0, with a cold start of {best:.0f} to {worst:.0f} s, up to {longest.seconds_high:.0f} s of it "
        f"{longest.name.replace('_', ' ')}; {held}; {objective}",
        allowed=f"0 only where requests are held at least {wait} s, or the objective allows that long"
        + ("" if wait <= longest_hold_seconds else f"; here they can be held for {longest_hold_seconds} s at most"),
        remedy="; ".join(
            [
                *([hold] if wait <= longest_hold_seconds else []),
                "keep a warm replica (`min_replicas: 1`)",
                *SHORTER.get(longest.name, ()),
                *_shorter(start, worst),
            ]
        ),
    )


def _shorter(start: ColdStart, worst: float) -> Iterator[str]:
    """What else there is, and the wait that it would leave."""
    for cure in start.cures:
        if cure.name not in (*start.chosen, WARM_SPARE):
            left = math.ceil(worst - cure.saves_seconds_high)
            yield f"with a {cure.name.replace('_', ' ')} about {left} s would do"


def startup_problems(where: str, start: ColdStart, *, at_most_seconds: float, place: str) -> Iterator[Problem]:
    """A platform that kills what has not started in time (Cloud Run: 240 s) must be given a start that fits."""
    slow = serving_seconds_high(start.phases)
    if slow > at_most_seconds:
        yield Problem(
            where=where,
            found=f"up to {slow:.0f} s to fetch and load the weights and warm up",
            allowed=f"{at_most_seconds:g} s: {place} kills what has not started by then",
            remedy="choose a smaller or more quantized model, weights inside the image, or another platform",
        )

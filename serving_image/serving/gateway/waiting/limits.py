"""How long a request may be in the gateway altogether: what a drain has to wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.gateway.policy import Model


def longest_life(model: Model) -> float:
    """Seconds: of waiting, as far as the model has any, and of generating."""
    pool = model.destinations.pool
    queued = pool.queueing.seconds if pool.limited else 0.0
    held = pool.hold.seconds if pool.hold is not None else 0.0
    overflow = model.destinations.overflow
    patient = overflow.config.wait_seconds if overflow is not None else 0.0
    return model.longest_generation_seconds + max(queued + patient, held)

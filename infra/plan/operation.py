"""How a model is run over time: how changes replace it, its hours, its machine, and what its objective promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.catalog.models import find_model
from infra.plan.stored_weights import known_name, stored_gib
from infra.sizing.precision import KV_BYTES
from infra.sizing.types import GIB

if TYPE_CHECKING:
    from infra.config import ModelSettings


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Hours with more replicas, from one moment to another as cron has them."""

    time_zone: str
    begins: str
    ends: str
    min_replicas: int


@dataclass(frozen=True, kw_only=True)
class ModelOperation:
    """`stored_gib` is what is fetched and loaded, `host_kv_cache_gib` is the KV cache on processors: None where nobody
    knows. The last three are the objective's."""

    rollout: str = "spare"
    schedules: Mapping[str, Schedule] = field(default_factory=dict[str, Schedule])
    processors: int | None = None
    memory_gib: int | None = None
    stored_gib: float | None = None
    host_kv_cache_gib: float | None = None
    time_to_first_token_seconds: float | None = None
    time_per_output_token_milliseconds: float | None = None
    availability_percent: float | None = None


def model_operation(settings: ModelSettings) -> ModelOperation:
    """As its user wants it, with what is known of its size."""
    stored, wanted = stored_gib(settings.engine.kind, settings.source), settings.objective
    return ModelOperation(
        rollout=settings.rollout,
        schedules={
            name: Schedule(
                time_zone=hours.time_zone, begins=hours.begins, ends=hours.ends, min_replicas=hours.min_replicas
            )
            for name, hours in settings.scaling.schedules.items()
        },
        processors=settings.machine.processors,
        memory_gib=settings.machine.memory_gib,
        stored_gib=None if stored is None else round(stored, 2),
        host_kv_cache_gib=None if settings.accelerator else host_kv_cache_gib(settings),
        time_to_first_token_seconds=wanted and wanted.time_to_first_token_seconds,
        time_per_output_token_milliseconds=wanted and wanted.time_per_output_token_milliseconds,
        availability_percent=wanted and wanted.availability_percent,
    )


def host_kv_cache_gib(settings: ModelSettings) -> float | None:
    """Every request's whole context in 16 bits: llama.cpp takes it at its start."""
    model = find_model(known_name(settings.source))
    if model is None:
        return None
    of_a_token = 2 * model.layers * model.kv_heads * model.head_dim * KV_BYTES["fp16"]
    return round(of_a_token * settings.context_tokens * settings.concurrent_requests / GIB, 2)

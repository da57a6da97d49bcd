"""How a model is run over time: how changes replace it, its hours, its machine, and what its objective promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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

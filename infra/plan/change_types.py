"""What another plan changes: frozen dataclasses that pass from the comparison to reports. Read as data too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.plan.plan_data import Plain

Status = Literal["added", "removed", "changed"]
# From the least to the most that requests notice.
Effect = Literal["nothing", "reload", "drain", "rolling", "interrupted", "removed"]


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field of a thing. None where it is not there."""

    field: str
    before: Plain
    after: Plain


@dataclass(frozen=True, kw_only=True)
class Change:
    """One site, model or client. Of one that is added or removed, `fields` say what it is."""

    name: str
    status: Status
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number before and after; None where a plan does not know it. `percent` is None where it was nothing."""

    before: float | None
    after: float | None
    difference: float | None
    percent: float | None


@dataclass(frozen=True, kw_only=True)
class PriceChange:
    """US dollars at the fewest and at the most replicas."""

    per_hour_min: Figure
    per_hour_max: Figure
    per_month_min: Figure
    per_month_max: Figure


@dataclass(frozen=True, kw_only=True)
class CapacityChange:
    """Requests per second of a model at its fewest and most replicas; `model` is None for all together."""

    model: str | None
    at_min_replicas: Figure
    at_max_replicas: Figure


@dataclass(frozen=True, kw_only=True)
class LatencyChange:
    """Milliseconds, estimated, of one request among the usual number at once."""

    model: str
    first_token_low: Figure
    first_token_high: Figure
    per_output_token: Figure


@dataclass(frozen=True, kw_only=True)
class InFlight:
    """What happens to requests that run while it changes. `seconds` is how long they have to end, None where nothing
    ends them or nobody knows."""

    what: str
    effect: Effect
    seconds: int | None
    text: str


@dataclass(frozen=True, kw_only=True)
class PlanChanges:
    """All that is different. `against` is what it was compared with; `weaker` is protection that was there and is not
    any more, `new_weakenings` what the plan warns of as weak only now, `new_warnings` all else that it warns of only
    now; `not_compared` says what one of the two does not tell, and why."""

    stack: str
    against: str
    nothing: bool
    weaker: tuple[str, ...]
    new_weakenings: tuple[str, ...]
    new_warnings: tuple[str, ...]
    gone_warnings: tuple[str, ...]
    sites: tuple[Change, ...]
    models: tuple[Change, ...]
    clients: tuple[Change, ...]
    others: tuple[FieldChange, ...]
    price: PriceChange
    capacity: tuple[CapacityChange, ...]
    latency: tuple[LatencyChange, ...]
    in_flight: tuple[InFlight, ...]
    not_compared: tuple[str, ...]

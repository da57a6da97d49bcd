"""Where a model's requests go: its replicas, other places that serve it, other models, and how long they may wait."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from infra.gateway.address import Origin
from infra.gateway.certificate import SecuredWaySettings
from infra.gateway.secret import SecretSettings
from infra.settings import Name, Settings

Seconds = Annotated[float, Field(ge=0.01, le=86_400)]
# With the longest generation it makes the drain, which no platform grants without end.
Wait = Annotated[float, Field(ge=0.01, le=3600)]


class EjectSettings(Settings):
    """When a replica gets no more requests."""

    failures: int = Field(default=5, ge=1, le=10, description="Failures among its last ten answers.")
    seconds: Seconds = Field(default=5.0, description="For how long at first, in seconds; doubled each time.")
    longest_seconds: Seconds = Field(default=60.0, description="For how long at most, in seconds.")
    hang_seconds: Seconds | None = Field(
        default=None,
        description="It also counts as failed when no open stream of it got a byte for so many seconds; unset, "
        "`gateway.limits.stream_idle_seconds`.",
    )
    when_none_left: Literal["try", "refuse"] = Field(
        default="try", description="With no replica left: `try` an ejected one all the same, or `refuse` with 503."
    )


class RetrySettings(Settings):
    """Extra calls after a failed one, before the first byte of an answer only."""

    attempts: int = Field(default=2, ge=0, le=10, description="Extra calls for one request at most.")
    percent: float = Field(
        default=10.0, ge=0, le=100, description="Extra calls at most, as a share of all calls of the last ten seconds."
    )


class RoutingSettings(Settings):
    """How a model's replicas share its requests."""

    balance: Literal["least_in_flight", "prefix"] = Field(
        default="least_in_flight",
        description="`prefix` sends requests that begin alike to the same replica, which has them in its cache.",
    )
    prefix_characters: int = Field(
        default=4096, ge=16, le=1_000_000, description="How much of a conversation's beginning `prefix` looks at."
    )
    load_factor: float = Field(
        default=1.25, ge=1, le=100, description="With `prefix`, a replica gets at most this times the mean, and one."
    )
    eject: EjectSettings = Field(default_factory=EjectSettings, description="When a replica gets no more requests.")
    retries: RetrySettings = Field(default_factory=RetrySettings, description="Extra calls after a failed one.")


class UpstreamSettings(SecuredWaySettings):
    """A place that serves the model and is not of this deployment."""

    kind: Literal["openai", "slipway", "engine"] = Field(
        description="`openai` is a cloud, judged by its answers alone; `slipway` is another deployment's endpoint, "
        "`engine` a server of your own: both are asked for /health."
    )
    url: Origin = Field(description="Its origin, such as https://api.example.com; the gateway adds /v1/….")
    boundary: Name = Field(description="Where it is, as `gateway.data_classes` names places.")
    key: SecretSettings | None = Field(default=None, description="The key it is shown; unset, none.")
    model: str | None = Field(
        default=None, min_length=1, max_length=256, description="What it calls the model; unset, as it is called here."
    )
    weight: float = Field(
        default=1.0, ge=0.001, le=1000, description="Its share relative to the others; an own engine has 1."
    )
    concurrent_requests: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Requests that it gets at the same time; unset, as many as come."
    )


class QueueSettings(Settings):
    """Requests that wait for a free engine: higher `priority` first, then clients in turn. With an objective's
    `time_to_first_token_seconds`, one that can no longer be in time lets those of its priority pass who can."""

    size: int = Field(default=1000, ge=0, le=1_000_000, description="How many may wait; one more is refused with 429.")
    seconds: Wait = Field(default=30.0, description="How long each may wait, in seconds; then it is refused with 503.")


class HoldSettings(Settings):
    """Requests that wait for a model without any ready engine: it starts, or all are down."""

    size: int = Field(default=1000, ge=0, le=1_000_000, description="How many may wait; one more is refused with 429.")
    seconds: Wait = Field(default=120.0, description="How long each may wait, in seconds; then it is refused with 503.")
    keep_alive_seconds: Seconds = Field(
        default=10.0, description="A stream that waits gets a comment so often, so that nothing in between closes it."
    )


class RouteSettings(Settings):
    """A share of a model's requests."""

    model: str = Field(
        min_length=1, description="The model of this deployment that serves it; may be the model itself."
    )
    weight: float = Field(ge=0, le=1_000_000, description="Its share, relative to the other routes.")


class RoutesSettings(Settings):
    """Shares of a model's requests, such as a canary's."""

    to: dict[Name, RouteSettings] = Field(
        min_length=1, max_length=16, description="The shares, by a name of your choice, which answers carry."
    )
    sticky: Literal["client", "session", "none"] = Field(
        default="client", description="Who always gets the same share: a client, a value of `session_header`, nobody."
    )
    session_header: str = Field(
        default="x-session-id",
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="Name of the header that `sticky: session` looks at, in lower case.",
    )


class ShadowSettings(Settings):
    """Copies of requests to another model, whose answers are thrown away. They leave no boundary."""

    model: str = Field(min_length=1, description="The model of this deployment that gets the copies.")
    percent: float = Field(ge=0.001, le=100, description="Share of requests that is copied, in percent.")
    concurrent_requests: int = Field(default=4, ge=1, le=1000, description="Copies at the same time at most.")

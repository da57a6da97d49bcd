"""What a user writes about a site on this machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.platforms.base import PlatformSettings
from infra.settings import Port, Settings


class Listen(Settings):
    """Where the gateway listens."""

    address: str = Field(
        default="127.0.0.1",
        pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)$",
        description="IP address of the API, such as 127.0.0.1, ::1 or 0.0.0.0; the first two are this machine's own.",
    )
    port: Port = Field(default=8420, description="TCP port of the API.")
    operations_port: Port = Field(
        default=8421, description="TCP port of readiness and metrics, always on 127.0.0.1 and without a key."
    )
    admin_port: Port | None = Field(
        default=8422,
        description="TCP port of the gateway's status page, always on 127.0.0.1 and without a key; null: no page.",
    )


class LocalSettings(PlatformSettings):
    """This machine."""

    kind: Literal["local"] = Field(description="This machine: processes that Pulumi owns, no container, no cloud.")
    listen: Listen = Field(default_factory=Listen, description="Where the gateway listens.")
    allow_plain_http: bool = Field(
        default=False,
        description="Lets other machines reach the API without TLS. A weakening: the plan warns of it.",
    )
    memory_gibibytes: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="Memory that slipway may take of the machine, in GiB; models that need more are refused. Unset, "
        "nobody checks before `make doctor`.",
    )

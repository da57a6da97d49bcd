"""What a user writes about a site on Cloud Run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.addresses import Domain
from infra.platforms.base import PlatformSettings
from infra.platforms.gcp.names import ProjectId, Region


class CloudRunSettings(PlatformSettings):
    """A region of Cloud Run."""

    kind: Literal["cloud_run"] = Field(description="Cloud Run: services that start when they are asked for.")
    project: ProjectId = Field(description="Id of the project that everything is in.")
    region: Region = Field(description="The region, such as `europe-west4`; not every one has every GPU.")
    domain: Domain | None = Field(
        default=None, description="Name that clients use, behind a load balancer; unset, Cloud Run's own address."
    )
    max_instances: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Instances of one service at most, such as the project's quota of GPUs allows.",
    )
    gateway_min_instances: int = Field(
        default=0,
        ge=0,
        le=10,
        description="Gateways that always run; 0: the first request after a pause also waits for a gateway.",
    )
    zonal_redundancy: bool = Field(
        default=False, description="Whether GPUs are kept free in a second zone, which costs more."
    )
    request_timeout_seconds: int = Field(
        default=3600, ge=1, le=3600, description="Longest time for one request, in seconds; then Cloud Run ends it."
    )

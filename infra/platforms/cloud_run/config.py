"""What a user writes about a site on Cloud Run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.addresses import Cidr, Domain, KubernetesName
from infra.platforms.base import PlatformSettings
from infra.platforms.gcp.config import ArmorSettings
from infra.platforms.gcp.names import ProjectId, Region
from infra.settings import Settings

Invoker = Annotated[
    str,
    StringConstraints(pattern=r"^(user|group|serviceAccount|domain):[^\s:]+$"),
    Field(json_schema_extra={"x-remedy": "write it like `group:team@example.com`"}),
]


class CloudRunAuditBucketSettings(Settings):
    """A bucket of the site's own, which keeps whatever comes."""

    days: int = Field(default=400, ge=1, le=36_500, description="For so many days nobody changes or deletes an object.")
    locked: bool = Field(
        default=False, description="Whether the days can never be made fewer, by nobody, not even the project's owner."
    )


class CloudRunSettings(PlatformSettings):
    """A region of Cloud Run."""

    kind: Literal["cloud_run"] = Field(description="Cloud Run: services that start when they are asked for.")
    project: ProjectId = Field(description="Id of the project that everything is in.")
    region: Region = Field(description="The region, such as `europe-west4`; not every one has every GPU.")
    domain: Domain | None = Field(
        default=None, description="Name that clients use, behind a load balancer; unset, Cloud Run's own address."
    )
    dns_zone: KubernetesName | None = Field(
        default=None, description="Managed zone of Cloud DNS in the project that the name is in; with `domain`."
    )
    invokers: list[Invoker] = Field(
        default_factory=list,
        max_length=40,
        description="Who may call the service, as IAM knows them, such as `group:team@example.com`: they show Google's "
        "token in `X-Serverless-Authorization`, and their key as ever. Empty: keys alone.",
    )
    max_instances: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Instances at most, such as the project's quota of GPUs allows.",
    )
    zonal_redundancy: bool = Field(
        default=False, description="Whether GPUs are kept free in a second zone, which costs more."
    )
    request_timeout_seconds: int = Field(
        default=3600, ge=1, le=3600, description="Longest time for one request, in seconds; then Cloud Run ends it."
    )
    egress_cidr: Cidr = Field(
        default="10.90.0.0/24",
        description="Range of the network that instances leave by, /26 or larger: each takes up to four addresses.",
    )
    armor: ArmorSettings | None = Field(
        default_factory=ArmorSettings,
        description="Cloud Armor in front, with `domain`; null: none, which the plan warns of.",
    )
    binary_authorization: bool = Field(
        default=True, description="Whether the project's policy decides which images run (Binary Authorization)."
    )
    audit_bucket: CloudRunAuditBucketSettings | None = Field(
        default_factory=CloudRunAuditBucketSettings,
        description="Bucket for the audit where `gateway.audit.object_store` names none; null: there is none.",
    )
    deletion_protection: bool = Field(
        default=True, description="Whether the service, its keys and its buckets refuse to be deleted."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, max_length=40, description="Labels of everything that is made."
    )

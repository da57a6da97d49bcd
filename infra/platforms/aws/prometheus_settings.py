"""What a user writes about Amazon Managed Service for Prometheus."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.platforms.aws.grafana_settings import GrafanaSettings
from infra.settings import Settings

WorkspaceArn = Annotated[
    str,
    StringConstraints(pattern=r"^arn:aws[a-z-]*:aps:[a-z0-9-]+:[0-9]{12}:workspace/ws-[A-Za-z0-9-]+$"),
    Field(json_schema_extra={"x-remedy": "write it like `arn:aws:aps:us-east-1:123456789012:workspace/ws-0a1b2c3d-…`"}),
]


class _WorkspaceSettings(Settings):
    """What both have."""

    grafana: GrafanaSettings | None = Field(
        default=None, description="A workspace of Amazon Managed Grafana that shows its metrics; null: none."
    )


class NewWorkspaceSettings(_WorkspaceSettings):
    """A workspace of the site's own, whose alerts the topics of `alarm_topics` hear."""

    kind: Literal["new"] = Field(description="A workspace of the site, encrypted with its key.")


class ExistingWorkspaceSettings(_WorkspaceSettings):
    """A workspace of many sites. Whom its alerts call is its owner's."""

    kind: Literal["existing"] = Field(description="A workspace that exists, in the site's region and account.")
    arn: WorkspaceArn = Field(description="Its ARN, such as `arn:aws:aps:us-east-1:123456789012:workspace/ws-…`.")


PrometheusWorkspace = Annotated[NewWorkspaceSettings | ExistingWorkspaceSettings, Field(discriminator="kind")]

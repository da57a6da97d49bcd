"""What a user writes about Amazon Managed Grafana."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.settings import Settings

GroupId = Annotated[
    str,
    StringConstraints(
        pattern=r"^([0-9a-f]{10}-)?[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
    ),
    Field(json_schema_extra={"x-remedy": "copy the group's id from the console of IAM Identity Center"}),
]


class GrafanaSettings(Settings):
    """A workspace of Grafana that reads this one's metrics. Who signs in is in IAM Identity Center, which must be on in
    the account. Dashboards are put into it by hand: `python -m infra dashboards` writes them."""

    administrators: list[GroupId] = Field(
        min_length=1, max_length=10, description="Groups of IAM Identity Center that administer it, by their ids."
    )
    viewers: list[GroupId] = Field(
        default_factory=list, max_length=10, description="Groups that only look at it; unset, nobody else."
    )
    administrator_users: int = Field(
        default=1, ge=1, le=10_000, description="How many people of the first ones use it in a month, for the price."
    )
    viewer_users: int = Field(
        default=0, ge=0, le=10_000, description="How many of the others use it in a month, for the price."
    )

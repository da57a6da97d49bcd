"""What a user writes about a peering of a site on Google Cloud with another network there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.platforms.private_links import LinkSettings

NetworkPath = Annotated[
    str,
    StringConstraints(
        pattern=r"^projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/global/networks/[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
    ),
    Field(json_schema_extra={"x-remedy": "write it like `projects/PROJECT/global/networks/NAME`"}),
]


class PeeringSettings(LinkSettings):
    """A peering with another network of Google Cloud. The site then has no front door on the internet. It reaches no
    own machines, nor what the other network is linked to."""

    network: NetworkPath = Field(
        description="The other network, such as `projects/example-apps/global/networks/apps`; its owner makes the "
        "other half of the peering. Clients are in the site's region."
    )

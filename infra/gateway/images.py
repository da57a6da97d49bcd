"""Images that the gateway's containers run from, by digest; no digest of ours can be known before you build it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.settings import Settings

ImageByDigest = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$", max_length=512),
    Field(json_schema_extra={"x-remedy": "end it with `@sha256:` and the digest's 64 digits"}),
]


class ImagesSettings(Settings):
    """What runs in containers beside the engines. A plan needs none of it, a deployment to a cluster does."""

    gateway: ImageByDigest | None = Field(
        default=None, description="The gateway, built from `serving_image` and pushed to your registry."
    )
    valkey: ImageByDigest | None = Field(
        default=None, description="Valkey 8, where gateways of a cluster count together and no other store is named."
    )

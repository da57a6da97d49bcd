"""Images that the gateway's containers run from: by digest, of a release, or built while the stack is deployed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.settings import Settings

ImageByDigest = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$", max_length=512),
    Field(json_schema_extra={"x-remedy": "end it with `@sha256:` and the digest's 64 digits"}),
]


# Where images are pushed to and pulled from: a host, and whatever is before their names.
ImageRegistry = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*$", max_length=255
    ),
    Field(json_schema_extra={"x-remedy": "write a host and a path, without `https://`: `registry.example.com/team`"}),
]


class ImagesSettings(Settings):
    """What runs in containers beside the engines. A plan needs none of it, a deployment to a cluster does."""

    gateway: ImageByDigest | None = Field(
        default=None,
        description="The gateway, built from `serving_image` and pushed to your registry; unset, that of slipway's "
        "latest release (from `registry`, if that is set), or what `build` makes.",
    )
    build: bool = Field(
        default=False,
        description="Whether the stack itself builds the gateway's image and pushes it to `registry`, where tags must "
        "be allowed to move; it runs by its digest. Needs the extra `images`, a builder (`docker buildx`) and a "
        "`docker login`. A `gateway` that is named comes before it.",
    )
    valkey: ImageByDigest | None = Field(
        default=None, description="Valkey 8, where gateways of a cluster count together and no other store is named."
    )

"""What Google calls things that a user names: projects, regions, zones."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

ProjectId = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$"),
    Field(json_schema_extra={"x-remedy": "write the project's id, not its name or number"}),
]
Region = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]{1,2}$"),
    Field(json_schema_extra={"x-remedy": "write it like `us-central1`"}),
]
Zone = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]+-[a-z]+[0-9]{1,2}-[a-z]$"),
    Field(json_schema_extra={"x-remedy": "write the region, a dash and one letter, like `us-central1-a`"}),
]

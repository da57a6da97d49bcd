"""What Google calls things that a user names: projects, regions, zones."""

from __future__ import annotations

import hashlib
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

# What Google takes as the id of a service account (IAM documentation, "Create service accounts", read 2026-11).
ACCOUNT_LETTERS = 30


def account_id(name: str, use: str) -> str:
    """The id of a site's service account for a use. One that must be cut says by a few digits of what it was cut."""
    if len(name) + 1 + len(use) <= ACCOUNT_LETTERS:
        return f"{name}-{use}"
    digits = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: ACCOUNT_LETTERS - len(use) - len(digits) - 2].rstrip('-')}-{digits}-{use}"

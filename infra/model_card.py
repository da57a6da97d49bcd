"""What a user says of a model that no file of its weights does: its licence, where it comes from, how it was made."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.settings import Settings

# Licences that ask for no more than their text to be kept with copies.
PERMISSIVE = ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause")
License = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+()/-]{0,127}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class CardSettings(Settings):
    """Its card, which clients see in `/v1/models`. What is unset is what the catalogue knows, or nothing."""

    license: License | None = Field(
        default=None, description="Its licence, such as `Apache-2.0`; unset, that of the catalogue."
    )
    parent: Line | None = Field(
        default=None, description="What it was made from, such as `Qwen/Qwen3-8B` at a commit; unset, nothing is said."
    )
    made_by: Line | None = Field(
        default=None, description="How it was made: quantised, tuned, merged, with what; unset, nothing is said."
    )
    trained_on: Line | None = Field(default=None, description="What data it was trained on; unset, nothing is said.")
    evaluated: Line | None = Field(
        default=None, description="How it was evaluated, and with what result; unset, nothing is said."
    )

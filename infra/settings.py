"""The base of everything a user writes: strict, frozen, described models and unions that are chosen by `kind`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from infra.registry import Registry, load_object


class Settings(BaseModel):
    """A piece of configuration. Unknown keys, wrong types and NaN are refused; nothing is converted silently."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_default=False,
        defer_build=True,
    )


@dataclass(frozen=True)
class OneOf:
    """Marks a field whose `kind` selects the settings class from a registry (by `module:attribute`).

    The static type stays the base class, so the code that uses the field needs no list of kinds; the union itself is
    built when the schema is built, from whatever is registered then.
    """

    registry: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        registry: Registry[Any] = load_object(self.registry)
        return core_schema.tagged_union_schema(
            {kind: handler.generate_schema(registry.settings_of(kind)) for kind in registry.kinds()},
            discriminator="kind",
        )


# What users call things. It ends up in URLs, host names and metric labels, so it is short and plain; `naming.py` says
# what becomes of it. Two names that become the same there are refused when the configuration is loaded.
Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"),
    Field(description="A name: 1 to 63 letters, digits, `.`, `_` or `-`, beginning and ending with a letter or digit."),
]

Sha256 = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Field(json_schema_extra={"x-remedy": "copy the digits that `sha256sum FILE` prints, without a prefix"}),
]

# A path below some folder: no segment is empty, `.` or `..`, and nothing in it is a control character.
_SEGMENT = r"([^./\x00-\x1f][^/\x00-\x1f]*|\.[^./\x00-\x1f][^/\x00-\x1f]*|\.\.[^/\x00-\x1f]+)"
RelativePath = Annotated[
    str,
    StringConstraints(pattern=rf"^{_SEGMENT}(/{_SEGMENT})*$"),
    Field(json_schema_extra={"x-remedy": "write the path below that folder, `like/this.gguf`"}),
]


def _in_the_calendar(text: str) -> str:
    try:
        datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise PydanticCustomError(
            "slipway",
            "{found}",
            {"found": "a day that no calendar has", "allowed": "a date and a time of day", "remedy": "correct it"},
        ) from None
    return text


# RFC 3339, with a zone: without one it would be another moment on another machine.
PointInTime = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$"),
    AfterValidator(_in_the_calendar),
    Field(json_schema_extra={"x-remedy": "write it like `2027-06-30T00:00:00Z`"}),
]

Port = Annotated[int, Field(ge=1, le=65535)]

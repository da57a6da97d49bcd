"""Where a secret of the gateway comes from. The secret itself is never in a deployment, nor in a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from infra.settings import Name, Settings

# Stands for the folder of secret files; whoever starts the gateway writes them and knows its path.
SECRETS = "{secrets}"
AbsolutePath = Annotated[
    str,
    StringConstraints(pattern=r"^/[^\x00-\x1f{}]*[^\x00-\x1f/{}]$", max_length=4096),
    Field(json_schema_extra={"x-remedy": "write the whole path, from `/` on"}),
]


class SecretSettings(Settings):
    """A secret, by name or in a file: `{secret: NAME}` or `{file: /PATH}`."""

    secret: Name | None = Field(default=None, description="Its name in `slipway:gateway_secrets`.")
    file: AbsolutePath | None = Field(
        default=None, description="Absolute path of the file that holds it, on the machine that serves."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> SecretSettings:
        if (self.secret is None) == (self.file is None):
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": "neither `secret` nor `file`" if self.secret is None else "both `secret` and `file`",
                    "allowed": "one of them: a name in `slipway:gateway_secrets`, or a file where it serves",
                    "remedy": "write `{secret: NAME}` or `{file: /PATH}`",
                },
            )
        return self

    @property
    def path(self) -> str:
        """The file in which the gateway finds it."""
        return self.file or f"{SECRETS}/{self.secret}"


def secret_path(setting: SecretSettings | None) -> str | None:
    """The file of a secret that may be unset."""
    return None if setting is None else setting.path


def secret_names(settings: object) -> Iterator[str]:
    """Every name that some setting expects in `slipway:gateway_secrets`."""
    if isinstance(settings, SecretSettings):
        if settings.secret is not None:
            yield settings.secret
    elif isinstance(settings, Settings):
        for field in type(settings).model_fields:
            yield from secret_names(getattr(settings, field))
    elif isinstance(settings, dict):
        for value in settings.values():  # pyright: ignore[reportUnknownVariableType]
            yield from secret_names(value)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(settings, list):
        for value in settings:  # pyright: ignore[reportUnknownVariableType]
            yield from secret_names(value)  # pyright: ignore[reportUnknownArgumentType]

"""What a program registered, as plain data: whole numbers as such, and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

# How Pulumi marks a secret on its way to the engine.
SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105
PLACEHOLDER = "a secret, not shown"


@dataclass(frozen=True)
class Registration:
    """One resource as it was registered. `property_dependencies` has the resources that each input was made from."""

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    protect: bool
    provider: str
    aliases: tuple[Any, ...]
    create_timeout: str = ""
    depends_on: tuple[str, ...] = ()
    retained: bool = False
    deleted_with: str = ""
    ignore_changes: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def is_secret(self, name: str) -> bool:
        """Whether an input is marked secret."""
        return _is_secret(self.inputs.get(name))


def plain(value: Any) -> Any:
    """Whole numbers as such (a recording has floats only), and a placeholder for whatever is secret."""
    if _is_secret(value):
        return _hidden(value["value"])
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [plain(inner) for inner in cast(list[Any], value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and cast(dict[str, Any], value).get(SECRET_MARK) == SECRET


def _hidden(value: Any) -> Any:
    """The same shape without what is in it."""
    if isinstance(value, dict):
        return {key: _hidden(inner) for key, inner in cast(dict[str, Any], value).items()}
    return PLACEHOLDER

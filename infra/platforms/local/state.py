"""What a site on this machine keeps over its generations, such as the audit and an own certificate: where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The gateway's own name for the certificate that it makes; a contract test holds this against the gateway's.
CERTIFICATE = "gateway.crt"


def state_folder(name: str) -> str:
    """The folder of a site, by its specification's name, relative to the checkout."""
    return f".slipway/gateway/{name}"


def in_place(value: Any, folders: Mapping[str, str]) -> Any:
    """The same data with folders for their placeholders. Only where a path of ours begins with one: the same word in
    a text of the user's is the user's."""
    if isinstance(value, dict):
        return {key: in_place(inner, folders) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [in_place(inner, folders) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, str):
        first, slash, rest = value.partition("/")
        if slash and first in folders:
            return f"{folders[first]}/{rest}"
    return value

"""Addresses that a user writes of a network: ranges and domains, checked as far as text can be."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError


def _a_range(text: str) -> str:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        try:
            meant = f"write `{ipaddress.IPv4Network(text, strict=False)}`"
        except ValueError:
            meant = "correct it"
        raise PydanticCustomError(
            "slipway",
            "{found}",
            {"found": f"`{text}`", "allowed": "a range's first address and its length in bits", "remedy": meant},
        ) from None
    return text


Cidr = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$"),
    AfterValidator(_a_range),
    Field(json_schema_extra={"x-remedy": "write it like `10.40.0.0/16`"}),
]

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
Domain = Annotated[
    str,
    StringConstraints(pattern=rf"^({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?$", max_length=253),
    Field(json_schema_extra={"x-remedy": "write the name alone, like `llm.example.com`: no `https://`, no path"}),
]

# What Kubernetes takes as the name of an object or a namespace.
KubernetesName = Annotated[
    str,
    StringConstraints(pattern=rf"^{_LABEL}$"),
    Field(json_schema_extra={"x-remedy": "use a-z, 0-9 and `-`, beginning and ending with a letter or digit"}),
]
# Its classes and issuers may have dots.
KubernetesClass = Annotated[
    str,
    StringConstraints(pattern=rf"^{_LABEL}(\.{_LABEL})*$", max_length=253),
    Field(json_schema_extra={"x-remedy": "use the name that `kubectl get` shows"}),
]

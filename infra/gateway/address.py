"""Addresses of other services: refused here where the gateway would refuse them, and whether they are encrypted."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    plain = bool(parts.hostname) and "@" not in parts.netloc and url.isprintable() and " " not in url
    return parts if plain else None


def _checked(url: str) -> str:
    parts = _split(url)
    if parts is None or parts.query or parts.fragment:
        raise _refused("an address with a host, without credentials, query and spaces")
    return url


def _origin(url: str) -> str:
    parts = _split(url)
    if parts is None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _refused("the origin alone: `https://HOST` or `https://HOST:PORT`, without a path")
    return url


def _refused(allowed: str) -> PydanticCustomError:
    # The address is not repeated: it may have a password in it.
    return PydanticCustomError(
        "slipway",
        "{found}",
        {"found": "something else", "allowed": allowed, "remedy": "correct the address"},
    )


_HTTP = StringConstraints(pattern=r"^https?://", max_length=2048)
Url = Annotated[str, _HTTP, AfterValidator(_checked)]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https://", max_length=2048), AfterValidator(_checked)]
Origin = Annotated[str, _HTTP, AfterValidator(_origin)]


def crosses_readable(url: str) -> bool:
    """Whether what goes there can be read on a network: no TLS, and not this machine itself."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True

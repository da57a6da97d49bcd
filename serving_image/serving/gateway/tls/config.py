"""The `tls` part of the configuration file."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from serving.gateway.strict import Strict

HostName = Annotated[str, Meta(pattern="^[A-Za-z0-9.:_*-]{1,253}$")]


class TlsConfig(Strict, frozen=True):
    """TLS at the public listener: a certificate from files (PEM, the chain behind it), or an own self-signed one.

    `self_signed` is a weakening: nobody vouches for such a certificate, clients must be given it (`gateway.crt` in
    `self_signed_folder`, with its key in `gateway.key`, mode 0600). With `client_ca_file`, clients may show a
    certificate of that authority, or must.
    """

    certificate_file: str | None = None
    key_file: str | None = None
    self_signed: bool = False
    self_signed_folder: str | None = None
    self_signed_names: Annotated[tuple[HostName, ...], Meta(min_length=1)] = ("localhost", "127.0.0.1", "::1")
    client_ca_file: str | None = None
    client_certificates: Literal["optional", "required"] = "optional"
    minimum_version: Literal["1.2", "1.3"] = "1.2"

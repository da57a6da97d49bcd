"""TLS at the API itself, for machines without a load balancer that ends it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from infra.gateway.secret import AbsolutePath
from infra.settings import Settings

HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:_*-]{1,253}$")]
CertificateName = Annotated[str, StringConstraints(pattern=r"^(uri|dns|email|cn):.{1,1024}$")]


class TlsSettings(Settings):
    """A certificate from files, which are read again when they change, or an own self-signed one."""

    certificate_file: AbsolutePath | None = Field(
        default=None, description="Absolute path of the certificate and its chain (PEM), on the machine that serves."
    )
    key_file: AbsolutePath | None = Field(
        default=None, description="Absolute path of its private key (PEM), on the machine that serves."
    )
    self_signed: bool = Field(
        default=False, description="An own certificate, made at the start. Nobody vouches for it: the plan warns of it."
    )
    self_signed_names: list[HostName] = Field(
        default=["localhost", "127.0.0.1", "::1"],
        min_length=1,
        description="The names and addresses that such a certificate is for.",
    )
    client_ca_file: AbsolutePath | None = Field(
        default=None,
        description="Authorities (PEM) whose certificates clients may show instead of a key; unset, none is asked for.",
    )
    client_certificates: Literal["optional", "required"] = Field(
        default="optional", description="Whether clients must show one."
    )
    minimum_version: Literal["1.2", "1.3"] = Field(default="1.2", description="Oldest version of TLS that is spoken.")

    @model_validator(mode="after")
    def _one_certificate(self) -> TlsSettings:
        files = (self.certificate_file is not None, self.key_file is not None)
        if files != ((not self.self_signed,) * 2):
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": "`self_signed` and a certificate's files"
                    if self.self_signed
                    else "no certificate"
                    if not any(files)
                    else "one of `certificate_file` and `key_file`",
                    "allowed": "both `certificate_file` and `key_file`, or `self_signed: true` alone",
                    "remedy": "choose one of the two",
                },
            )
        if self.client_certificates == "required" and self.client_ca_file is None:
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": "`client_certificates: required` without `client_ca_file`",
                    "allowed": "certificates of clients together with the authorities that issue them",
                    "remedy": "name `client_ca_file`",
                },
            )
        return self

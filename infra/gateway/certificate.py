"""TLS to another place that wants to know who asks, or that an authority of its own vouches for."""

from __future__ import annotations

from pydantic import Field

from infra.gateway.secret import SecretSettings
from infra.settings import Settings


class CertificateSettings(Settings):
    """A certificate and its key. Changed files are read again: what ends soon is replaced in place."""

    certificate: SecretSettings = Field(description="The certificate, with the chain behind it (PEM).")
    key: SecretSettings = Field(description="Its private key (PEM), without a passphrase.")


class SecuredWaySettings(Settings):
    """How a gateway and another place make sure of each other, beside the key; only where the place's url is https."""

    certificate: CertificateSettings | None = Field(
        default=None, description="What the gateway shows there (mTLS), beside the key; unset, nothing."
    )
    authority: SecretSettings | None = Field(
        default=None,
        description="Who vouches for that place: authorities (PEM), and no others; unset, those that every system "
        "knows.",
    )

    @property
    def tls_files(self) -> dict[str, str]:
        """As the gateway's file has them; empty where nothing is said."""
        found = {"ca_file": self.authority.path} if self.authority else {}
        if self.certificate:
            shown = self.certificate
            found |= {"certificate_file": shown.certificate.path, "key_file": shown.key.path}
        return found

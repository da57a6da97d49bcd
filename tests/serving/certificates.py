"""Authorities and certificates for the gateway's tests, made on the spot, and requests over TLS."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.serving.gateway_process import KEY, Answer, ask


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """Issues certificates; `file` is its own, for those who trust it."""

    def __init__(self, folder: Path, common: str = "test authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(common)
        self._certificate = self._build(self._name, self._key.public_key(), [], 365, is_authority=True)
        self.file = folder / f"{common.replace(' ', '-')}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _build(
        self, subject: x509.Name, public: Any, names: list[x509.GeneralName], days: int, is_authority: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=10))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, stem: str, *names: x509.GeneralName, common: str = "test", days: int = 90) -> tuple[Path, Path]:
        """Certificate and key as files named after `stem`; issuing again replaces them."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._build(_name(common), key.public_key(), list(names), days, is_authority=False)
        pair = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        pair[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair

    def server(self, stem: str = "server", days: int = 90) -> tuple[Path, Path]:
        """A certificate for this machine."""
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return self.issue(stem, loopback, x509.DNSName("localhost"), days=days)


def trusting(file: Path, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """A client's context: trusts the authority in `file`, shows the certificate `pair` if there is one."""
    context = ssl.create_default_context(cafile=str(file))
    if pair is not None:
        context.load_cert_chain(*map(str, pair))
    return context


def ask_over_tls(
    port: int, context: ssl.SSLContext, body: Any, key: str | None = KEY, path: str = "/v1/chat/completions"
) -> Answer:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=15, context=context)
    try:
        return ask(connection, "POST", path, body, key)
    finally:
        connection.close()

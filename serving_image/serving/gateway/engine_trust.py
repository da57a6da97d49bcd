"""Who an upstream must be, whatever its address, and what the gateway shows it: authorities, a name, a certificate."""

from __future__ import annotations

import hashlib
import ssl
from functools import lru_cache
from pathlib import Path

from cryptography import x509

from serving.gateway.routing.config import UpstreamTls
from serving.gateway.tls.certificates import found_in, no_passphrase, unusable


class EngineTrust:
    """What a connection to an upstream is made with. Without a `server_name` it is the one in the url; `expires_at` is
    the end of what is shown, in seconds of the wall clock (None: nothing is)."""

    __slots__ = ("context", "expires_at", "server_name")

    def __init__(self, context: ssl.SSLContext, server_name: str | None, expires_at: float | None = None) -> None:
        self.context = context
        self.server_name = server_name
        self.expires_at = expires_at


def load_trust(config: UpstreamTls) -> EngineTrust:
    """Reads the files; with the same content it is the same object, so that connections outlive a reload.

    Raises TlsProblem, whose text begins with the field. A certificate that has ended is none: it is the other side
    that refuses it, and a gateway whose own engines serve must start."""
    authorities, shown = "", b""
    if config.ca_file is not None:
        try:
            authorities = Path(config.ca_file).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise _bad_authorities(config.ca_file, error) from None
    if config.certificate_file is not None and config.key_file is not None:
        certificate, key = Path(config.certificate_file), Path(config.key_file)
        try:
            shown = hashlib.sha256(certificate.read_bytes() + b"\0" + key.read_bytes()).digest()
        except OSError as error:
            raise _bad_pair(certificate, key, error) from None
    return _trust(config, authorities, shown)


@lru_cache(maxsize=1024)
def _trust(config: UpstreamTls, authorities: str, shown: bytes) -> EngineTrust:
    """`shown` is what the certificate and its key were when they were looked at."""
    # Of a context for clients: certificates are required, and the name is checked. No authority of the system's where
    # others are named.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if config.server_name else ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if config.ca_file is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cadata=authorities)
        except (OSError, ValueError) as error:
            raise _bad_authorities(config.ca_file, error) from None
    expires_at: float | None = None
    if shown and config.certificate_file is not None and config.key_file is not None:
        certificate, key = Path(config.certificate_file), Path(config.key_file)
        try:
            context.load_cert_chain(certificate, key, password=no_passphrase)
            expires_at = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()
        except (OSError, ValueError) as error:
            raise _bad_pair(certificate, key, error) from None
    return EngineTrust(context, config.server_name, expires_at)


def _bad_authorities(file: str, error: Exception) -> Exception:
    return unusable("ca_file", found_in(error, Path(file)), "certificates of authorities in PEM")


def _bad_pair(certificate: Path, key: Path, error: Exception) -> Exception:
    allowed = "a certificate and its key in PEM, the key without a passphrase"
    return unusable("certificate_file", found_in(error, certificate, key), allowed)

"""Turns the `tls` configuration into an SSL context, or says in four parts why it cannot."""

from __future__ import annotations

import datetime
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from serving.gateway.strict import path_shown, problem
from serving.gateway.tls.config import TlsConfig
from serving.gateway.tls.self_signed import CERTIFICATE, KEY, RENEW_BEFORE, ensure_self_signed

# For TLS 1.2 only (1.3 has nothing to choose): forward secrecy and authenticated encryption. Mozilla's "intermediate"
# list without its DHE suites (guidelines 5.7, looked up 2026-11).
_CIPHERS = ":".join(
    f"ECDHE-{signature}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for signature in ("ECDSA", "RSA")
)
_PEM_REMEDY = "Correct the files; the gateway goes on with what it had, if it had any."


@dataclass(frozen=True)
class Certificates:
    """A context to accept with. `expires_at` is in seconds of the wall clock, `files` is what it was made of."""

    config: TlsConfig
    context: ssl.SSLContext
    expires_at: float
    files: tuple[tuple[str, int, int, int], ...]

    @property
    def weakenings(self) -> list[str]:
        """What is less than it should be, by name."""
        return ["tls_self_signed"] if self.config.self_signed else []

    def is_stale(self) -> bool:
        """Whether the files are others now, or an own certificate is about to end. Reads the file system."""
        ends_soon = self.config.self_signed and self.expires_at - time.time() < RENEW_BEFORE.total_seconds()
        return ends_soon or _look(self.config) != self.files


class TlsProblem(Exception):
    """There is no context to be made; the text is one four-part line."""


def load_certificates(where: str, config: TlsConfig) -> Certificates:
    """Read the files and make the context. Raises TlsProblem. Reads the file system."""
    certificate, key = _own(where, config) if config.self_signed else _given(where, config)
    # Looked at before they are read: a change in between is then seen as one.
    files = _look(config)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if config.minimum_version == "1.3" else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key, password=no_passphrase)
        expires = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        found = found_in(error, certificate, key)
        raise unusable(f"{where}.certificate_file", found, "a certificate and its key") from None
    if expires <= datetime.datetime.now(datetime.UTC):
        found = f"a certificate that ended on {expires.date().isoformat()}"
        raise unusable(f"{where}.certificate_file", found, "one that is still valid")
    if config.client_ca_file is not None:
        try:
            context.load_verify_locations(cafile=config.client_ca_file)
        except (OSError, ValueError) as error:
            found = found_in(error, Path(config.client_ca_file))
            raise unusable(f"{where}.client_ca_file", found, "certificates of authorities in PEM") from None
        required = config.client_certificates == "required"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return Certificates(config, context, expires.timestamp(), files)


def _given(where: str, config: TlsConfig) -> tuple[Path, Path]:
    if config.certificate_file is None or config.key_file is None:
        raise TlsProblem(
            problem(
                where,
                "no certificate",
                "certificate_file and key_file, or self_signed: true with self_signed_folder",
                "Give both files, or leave `tls` out.",
            )
        )
    return Path(config.certificate_file), Path(config.key_file)


def _own(where: str, config: TlsConfig) -> tuple[Path, Path]:
    if config.self_signed_folder is None or config.certificate_file is not None or config.key_file is not None:
        raise TlsProblem(
            problem(
                where,
                "self_signed with certificate files" if config.self_signed_folder else "self_signed without a folder",
                "self_signed: true with self_signed_folder only",
                "Choose one of the two ways to a certificate.",
            )
        )
    try:
        return ensure_self_signed(Path(config.self_signed_folder), config.self_signed_names)
    except OSError as error:
        found = f"{error.strerror or type(error).__name__} in {config.self_signed_folder}"
        raise unusable(f"{where}.self_signed_folder", found, "a folder that the gateway can write to") from None


def _look(config: TlsConfig) -> tuple[tuple[str, int, int, int], ...]:
    """What tells a file from the one that was there before: time, size and identity."""
    folder = Path(config.self_signed_folder) if config.self_signed and config.self_signed_folder else None
    own = () if folder is None else (folder / CERTIFICATE, folder / KEY)
    seen: list[tuple[str, int, int, int]] = []
    for file in (*own, config.certificate_file, config.key_file, config.client_ca_file):
        if file is None:
            continue
        try:
            status = Path(file).stat()
            seen.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            seen.append((str(file), 0, 0, 0))
    return tuple(seen)


def no_passphrase() -> str:
    """A key with a passphrase would ask for it on the terminal."""
    raise ValueError("passphrase")


def found_in(error: Exception, *files: Path) -> str:
    """What is wrong with them, without the text of parsing errors, which may quote what they read."""
    named = " and ".join(path_shown(str(file)) for file in files)
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "not PEM"
        return f"{reason.lower().replace('_', ' ')} in {named}"
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__} reading {named}"
    return f"something that cannot be used in {named}"


def unusable(where: str, found: str, allowed: str) -> TlsProblem:
    """A problem of files."""
    return TlsProblem(problem(where, found, allowed, _PEM_REMEDY))

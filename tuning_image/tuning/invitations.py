"""What a coordinator and its sites elsewhere know each other by: an authority's certificates, and a key for each site.

In a cluster the folder is mounted; on a machine it is made when it is first needed. `SITE.json` is all that a site has
to be given.
"""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tuning.settings import Unusable

AUTHORITY, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
_DAYS = 365
# Of a round that began before it ends.
_RENEW_DAYS = 30


@dataclass(frozen=True)
class Invitation:
    """What a site shows (`key`), and whose certificate it believes (`authority`, PEM)."""

    authority: bytes
    key: str


@dataclass(frozen=True)
class Identity:
    """What the server shows, as PEM, and the key of each site."""

    authority: bytes
    certificate: bytes
    private: bytes
    keys: dict[str, str]


def read(file: Path) -> Invitation:
    """What a site was given. Raises Unusable, and shows nothing of it."""
    try:
        told = json.loads(file.read_text(encoding="ascii"))
        return Invitation(str(told["authority"]).encode("ascii"), str(told["key"]))
    except OSError as why:
        raise Unusable(f"invitation: {why}") from None
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"invitation: {file} is not what the coordinator wrote for this site") from None


def identity(
    folder: Path, names: Iterable[str], sites: Iterable[str], invited: Callable[[str, Path], None]
) -> Identity:
    """Of the folder, made there where it is not, and `invited` is told each site's new file. A certificate that ends
    soon, or is of other `names`, is made again, by the same authority, so that what sites were given stays valid.
    Raises Unusable."""
    names = sorted({*names})
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / AUTHORITY).exists():
            certificate, key = _made("slipway federated rounds", None)
            _write(folder / "ca.key", key)
            _write(folder / AUTHORITY, certificate)
        if (folder / "ca.key").exists() and _ends(folder / CERTIFICATE, names):
            certificate, key = _made(names[0], folder, names)
            _write(folder / KEY, key)
            _write(folder / CERTIFICATE, certificate)
        authority = (folder / AUTHORITY).read_bytes()
        for site in sites:
            if not (file := folder / f"{site}.json").exists():
                invitation = {"authority": authority.decode("ascii"), "key": secrets.token_hex(32)}
                _write(file, json.dumps(invitation).encode("ascii"))
                invited(site, file)
        keys = {site: read(folder / f"{site}.json").key for site in sites}
        return Identity(authority, (folder / CERTIFICATE).read_bytes(), (folder / KEY).read_bytes(), keys)
    except OSError as why:
        raise Unusable(f"invitations: {why}") from None


def _ends(file: Path, names: list[str]) -> bool:
    """Whether it is time for another."""
    if not file.exists():
        return True
    now = x509.load_pem_x509_certificate(file.read_bytes())
    known = now.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    same = sorted(str(one.value) for one in known) == names
    return not same or now.not_valid_after_utc - datetime.now(UTC) < timedelta(days=_RENEW_DAYS)


def _made(called: str, folder: Path | None, names: Iterable[str] = ()) -> tuple[bytes, bytes]:
    """Certificate and private key, as PEM; by the authority in a folder, or an authority."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called[:64])])
    signer, issuer = key, name
    if folder:
        found = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(found, ec.EllipticCurvePrivateKey)
        signer, issuer = found, x509.load_pem_x509_certificate((folder / AUTHORITY).read_bytes()).subject
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS if folder else 20 * _DAYS))
        .add_extension(x509.BasicConstraints(ca=not folder, path_length=None if folder else 0), critical=True)
    )
    if folder:
        certificate = certificate.add_extension(
            x509.SubjectAlternativeName([_general(one) for one in names]), critical=False
        )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(file: Path, content: bytes) -> None:
    """For nobody else to read, whole or not at all."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(content)
    unfinished.replace(file)

"""Certificates of a site's engines: an authority of the site's own, and what it issues. Kept in the state, encrypted.

The providers' module path is part of every state that holds a certificate (stored by reference): it stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

# An authority is the site's own and nobody else's: replacing it means that every gateway has to read it again, so that
# it outlives what it is for.
AUTHORITY_LIFETIME = timedelta(days=20 * 365)
LIFETIME = timedelta(days=365)
# Of a site that is deployed now and then; an alert says so where nobody deploys (SlipwayEngineCertificateEnds).
RENEW_BEFORE = timedelta(days=60)
# Of a common name, which nobody looks at.
LONGEST = 64
# Nodes' clocks differ.
EARLIER = timedelta(minutes=5)


class AuthorityProvider(ResourceProvider):
    """Makes an authority once."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"slipway engines of {props['site']}"[:LONGEST])])
        now = datetime.now(UTC)
        certificate = (
            _certificate(name, name, key.public_key(), now, AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return CreateResult(props["site"], {**props, "certificate": _pem(certificate), "key": _key_pem(key)})


class ServerCertificateProvider(ResourceProvider):
    """Issues a certificate, and another one when an `up` finds that it ends soon, or another authority."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(props["names"][0], _issued(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        ends = datetime.fromisoformat(_olds["expires"])
        same = all(_olds[field] == _news[field] for field in ("names", "authority_certificate"))
        return DiffResult(changes=not same or ends - datetime.now(UTC) < RENEW_BEFORE)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_issued(_news))


class Authority(Resource, module="slipway", name="Authority"):
    """Who vouches for the engines of one site."""

    certificate: pulumi.Output[str] = cast(Any, None)  # set by Pulumi
    key: pulumi.Output[str] = cast(Any, None)

    def __init__(self, name: str, *, site: str, opts: pulumi.ResourceOptions) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["key"])
        props: dict[str, Any] = {"site": site, "certificate": None, "key": None}
        super().__init__(AuthorityProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))


class ServerCertificate(Resource, module="slipway", name="ServerCertificate"):
    """What a server shows to prove that it has one of these names."""

    certificate: pulumi.Output[str] = cast(Any, None)  # set by Pulumi
    key: pulumi.Output[str] = cast(Any, None)

    def __init__(self, name: str, *, names: Sequence[str], authority: Authority, opts: pulumi.ResourceOptions) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["key", "authority_key"])
        props: dict[str, Any] = {
            "names": list(names),
            "authority_certificate": authority.certificate,
            "authority_key": pulumi.Output.secret(authority.key),
            "certificate": None,
            "key": None,
            "expires": None,
        }
        super().__init__(ServerCertificateProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))


def _issued(props: dict[str, Any]) -> dict[str, Any]:
    """A new certificate with a new key."""
    authority = x509.load_pem_x509_certificate(props["authority_certificate"].encode())
    signer = serialization.load_pem_private_key(props["authority_key"].encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, props["names"][0][:LONGEST])])
    certificate = (
        _certificate(name, authority.subject, key.public_key(), datetime.now(UTC), LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(known) for known in props["names"]]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    ends = certificate.not_valid_after_utc.isoformat()
    return {**props, "certificate": _pem(certificate), "key": _key_pem(key), "expires": ends}


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + lifetime)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()

"""Client certificates: which client the names in a verified certificate belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Owner = TypeVar("Owner")
"""What a certificate belongs to: a client."""

_KINDS = {"URI": "uri:", "DNS": "dns:", "email": "email:"}


class CertificateOwner(Generic[Owner]):
    """A client by its certificate. `id` names it in audit rows."""

    __slots__ = ("client", "id", "name")

    def __init__(self, client: Owner, name: str) -> None:
        self.client = client
        self.name = name
        self.id = "certificate"


class CertificateNames(Generic[Owner]):
    """Which client each configured name belongs to. Names are exact: `uri:`, `dns:`, `email:` of the alternative
    names, `cn:` of the subject."""

    __slots__ = ("_owners",)

    def __init__(self, names: Mapping[str, Owner]) -> None:
        self._owners = {name: CertificateOwner(client, name) for name, client in names.items()}

    def find(self, names: Iterable[str]) -> CertificateOwner[Owner] | None:
        """The owner of a certificate with these names; None when there is none, or when they are of several."""
        owners = [self._owners[name] for name in names if name in self._owners]
        if not owners or any(owner.client is not owners[0].client for owner in owners):
            return None
        return owners[0]


def names_in(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """All names of a certificate in the shape of `ssl.SSLSocket.getpeercert()`.

    With alternative names in it the common name does not count (RFC 6125 section 6.4.4): an authority checks those
    and may leave the other to the applicant.
    """
    if not certificate:
        return ()
    alternative = [
        _KINDS[kind] + (value.lower() if kind == "DNS" else value)
        for kind, value in certificate.get("subjectAltName", ())
        if kind in _KINDS
    ]
    if alternative:
        return tuple(alternative)
    return tuple(
        f"cn:{value}" for part in certificate.get("subject", ()) for name, value in part if name == "commonName"
    )

"""Whose certificates clients show at the front door of a site on AWS: the load balancer lets nobody else in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from infra.settings import Settings

# Below one folder: whoever deploys may read that of every bucket of the account, and nothing else of any.
FOLDER = "client-authority/"
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
ObjectKey = Annotated[str, StringConstraints(pattern=rf"^{FOLDER}[A-Za-z0-9._/-]{{1,900}}$")]
ObjectVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,1024}$")]
# Health checks of Route 53 show no certificate, and what asks for one ends a connection without it ("Mutual
# authentication with TLS in Application Load Balancer"). That is asked for by a listener, not by a load balancer
# (`MutualAuthenticationAttributes` of `CreateListener`), so that a second one, which has nothing but the path of the
# check, is asked; a check of TCP alone would not see a site whose engines are down (both read 2026-11).
HEALTH_PORT = 8443


class RevokedSettings(Settings):
    """Certificates that are taken back before they end."""

    key: ObjectKey = Field(
        description="The list (CRL, PEM or DER) of the authority, in the same bucket, below `client-authority/`."
    )
    version: ObjectVersion | None = Field(
        default=None, description="Its version; another one is read by the next `up`. Unset, the newest, read once."
    )


class ClientAuthoritySettings(Settings):
    """Who vouches for clients: objects in a bucket of yours, of the same account and region."""

    bucket: BucketName = Field(description="The bucket, in the region of the site.")
    key: ObjectKey = Field(
        description="The certificates of the authorities (PEM, one file with all of them), below `client-authority/`."
    )
    version: ObjectVersion | None = Field(
        default=None, description="Its version; another one is read by the next `up`. Unset, the newest, read once."
    )
    revoked: RevokedSettings | None = Field(
        default=None, description="Certificates that are no longer good; unset, each is until its end."
    )


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One file that AWS reads when it is told to."""

    key: str
    version: str | None


@dataclass(frozen=True, kw_only=True)
class ClientAuthorityPlan:
    """What the load balancer knows of clients' certificates."""

    bucket: str
    authorities: StoredObject
    revoked: StoredObject | None

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        revoked = f", but for those in {self.revoked.key}" if self.revoked else ""
        return f"clients show a certificate of {self.authorities.key} in the bucket {self.bucket}{revoked}"


def client_authority_plan(settings: ClientAuthoritySettings | None) -> ClientAuthorityPlan | None:
    """As it is written."""
    if settings is None:
        return None
    revoked = settings.revoked
    return ClientAuthorityPlan(
        bucket=settings.bucket,
        authorities=StoredObject(key=settings.key, version=settings.version),
        revoked=StoredObject(key=revoked.key, version=revoked.version) if revoked else None,
    )

"""Signs requests to object stores: AWS Signature Version 4, and Google's variant of it (V4 with HMAC keys).

Only what requests for one object need: all headers are signed, the body by its SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Credentials:
    """Read at the start, never shown."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Bearer:
    """A token that is shown as it is. Nothing is signed with it."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class Dialect:
    """What Amazon's and Google's variant call things."""

    algorithm: str
    prefix: str
    key_prefix: str
    terminator: str
    service: str


DIALECTS: dict[Literal["s3", "gcs"], Dialect] = {
    "s3": Dialect("AWS4-HMAC-SHA256", "x-amz", "AWS4", "aws4_request", "s3"),
    "gcs": Dialect("GOOG4-HMAC-SHA256", "x-goog", "GOOG4", "goog4_request", "storage"),
}


def signed_headers(
    method: str,
    url: str,
    headers: dict[str, str],
    payload_sha256: str,
    credentials: Credentials | Bearer,
    dialect: Dialect,
    region: str,
    now: float | None = None,
) -> dict[str, str]:
    """The headers to send: `headers` (lower-case names), host, authorization, and where it is a signature date and
    payload hash. `url` is encoded, its query too."""
    parts = urlsplit(url)
    if isinstance(credentials, Bearer):
        return {**headers, "host": parts.netloc, "authorization": f"Bearer {credentials.token}"}
    moment = time.gmtime(time.time() if now is None else now)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", moment)
    day = stamp[:8]
    sent = {
        **headers,
        "host": parts.netloc,
        f"{dialect.prefix}-date": stamp,
        f"{dialect.prefix}-content-sha256": payload_sha256,
    }
    if credentials.session_token is not None:
        sent[f"{dialect.prefix}-security-token"] = credentials.session_token
    names = sorted(sent)
    canonical = "\n".join(
        [
            method,
            parts.path or "/",
            "&".join(sorted(each if "=" in each else f"{each}=" for each in parts.query.split("&") if each)),
            *(f"{name}:{' '.join(sent[name].split())}" for name in names),
            "",
            ";".join(names),
            payload_sha256,
        ]
    )
    scope = f"{day}/{region}/{dialect.service}/{dialect.terminator}"
    text = "\n".join([dialect.algorithm, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = (dialect.key_prefix + credentials.secret_key).encode()
    for part in (day, region, dialect.service, dialect.terminator):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    sent["authorization"] = (
        f"{dialect.algorithm} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return sent

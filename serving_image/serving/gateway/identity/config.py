"""The `identity` part of the configuration file and the credentials of a client: shapes and checks."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from serving.gateway.identity.jwks import read_set
from serving.gateway.strict import Strict, problem

# Public-key signatures only. `none` and the HS family are not in the list, so no configuration can allow them: with
# HS256 whoever has the public key could sign (RFC 8725 section 2.1).
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
NonEmpty = Annotated[str, Meta(min_length=1, max_length=1024)]
KeyHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ApiKeyConfig(Strict, frozen=True):
    """One API key by the hex SHA-256 of its text. From `expires` (RFC 3339 with a zone) on it is nobody's."""

    sha256: KeyHash
    expires: Annotated[datetime.datetime, Meta(tz=True)] | None = None


class ClaimRule(Strict, frozen=True):
    """Tokens whose `claim` (a text, or a list with such a text in it) is like `matches` belong to `client`.

    `matches` may hold one `*`, which stands for any text, also none.
    """

    claim: NonEmpty
    matches: NonEmpty
    client: NonEmpty


class IssuerConfig(Strict, frozen=True):
    """One issuer of tokens (OpenID Connect or any other that signs JWTs with published keys).

    Keys come from `jwks_url` or `jwks_file`. They are asked for again every `refresh_seconds`, and once more when a
    token names an unknown key, but not more often than every `refetch_seconds`. While they cannot be had, the last
    ones are used for `stale_seconds`.
    """

    issuer: NonEmpty
    audience: Annotated[list[NonEmpty], Meta(min_length=1)]
    clients: Annotated[list[ClaimRule], Meta(min_length=1)]
    jwks_url: str | None = None
    jwks_file: str | None = None
    ca_file: str | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("RS256",)
    leeway_seconds: Annotated[float, Meta(ge=0, le=300)] = 30.0
    required_claims: Annotated[tuple[NonEmpty, ...], Meta(max_length=32)] = ()
    subject_claim: NonEmpty = "sub"
    # Refused although well signed and not yet expired: the way to end a token early is to name it here and reload.
    revoked_token_ids: tuple[NonEmpty, ...] = ()
    revoked_subjects: tuple[NonEmpty, ...] = ()
    refresh_seconds: Annotated[float, Meta(gt=0)] = 300.0
    refetch_seconds: Annotated[float, Meta(gt=0)] = 10.0
    stale_seconds: Annotated[float, Meta(gt=0)] = 86_400.0


class IdentityConfig(Strict, frozen=True):
    """Issuers by a name of the operator's choice, which is what logs and metrics call them."""

    issuers: dict[str, IssuerConfig] = msgspec.field(default_factory=dict[str, IssuerConfig])


def check_identity(where: str, identity: IdentityConfig, clients: set[str], problems: list[str]) -> None:
    """Add a line for everything that types alone cannot tell."""
    seen: dict[str, str] = {}
    for name, issuer in identity.issuers.items():
        place = f"{where}.issuers.{name}"
        if seen.setdefault(issuer.issuer, name) != name:
            problems.append(
                problem(
                    f"{place}.issuer",
                    f"the issuer of {seen[issuer.issuer]}",
                    "one entry per issuer",
                    "Merge the two entries.",
                )
            )
        _check_source(place, issuer, problems)
        for index, rule in enumerate(issuer.clients):
            spot = f"{place}.clients[{index}]"
            if rule.client not in clients:
                allowed = f"the configured clients: {', '.join(sorted(clients)) or 'none'}"
                problems.append(problem(f"{spot}.client", "another name (not shown)", allowed, "Name one of them."))
            if rule.matches.count("*") > 1:
                problems.append(
                    problem(f"{spot}.matches", "more than one *", "text with at most one *", "Write two rules.")
                )


def _check_source(place: str, issuer: IssuerConfig, problems: list[str]) -> None:
    if (issuer.jwks_url is None) == (issuer.jwks_file is None):
        problems.append(
            problem(
                place,
                "both jwks_url and jwks_file" if issuer.jwks_url else "neither jwks_url nor jwks_file",
                "one of the two",
                "Say where the issuer's public keys are.",
            )
        )
    if issuer.jwks_url is not None and not is_safe_url(issuer.jwks_url):
        problems.append(
            problem(
                f"{place}.jwks_url",
                "something else",
                "https://HOST/PATH without credentials, or http:// to this machine itself",
                "Keys over plain HTTP could be anybody's: give an https URL.",
            )
        )
    for field, file in (("jwks_file", issuer.jwks_file), ("ca_file", issuer.ca_file)):
        if file is None:
            continue
        try:
            raw = Path(file).read_bytes()
            if field == "jwks_file":
                read_set(raw, issuer.algorithms)
        except OSError as error:
            found = f"{type(error).__name__} reading {file}"
            problems.append(problem(f"{place}.{field}", found, "a readable file", "Create it or correct the path."))
        except ValueError:
            allowed = f"a JWKS with a signature key for {', '.join(issuer.algorithms)}"
            problems.append(problem(f"{place}.{field}", f"no such keys in {file}", allowed, "Write the keys there."))


def is_safe_url(url: str) -> bool:
    """https, or http that does not leave this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine and can be nothing else."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

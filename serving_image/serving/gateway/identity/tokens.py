"""Signed tokens (JWT): which client one belongs to, verified once and then remembered until it expires."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import jwt
import orjson
from jwt import exceptions as jwt_errors

from serving.gateway.identity.config import ClaimRule, IdentityConfig, IssuerConfig
from serving.gateway.identity.key_sets import KeySet

if TYPE_CHECKING:
    from collections.abc import Mapping

Owner = TypeVar("Owner")
"""What a token belongs to: a client."""

LONGEST_TOKEN = 8192
"""Bytes. Directories that list every group of a user in the token come to 4,000."""
_MOST_REMEMBERED = 16_384
_LONGEST_CLAIM = 1024

_VERDICTS: dict[type[Exception], str] = {
    jwt_errors.ExpiredSignatureError: "expired",
    jwt_errors.ImmatureSignatureError: "not_yet_valid",
    jwt_errors.InvalidSignatureError: "bad_signature",
    jwt_errors.InvalidAudienceError: "wrong_audience",
    jwt_errors.MissingRequiredClaimError: "claim_missing",
}


class BadToken(Exception):
    """Not a token that says who is asking. Why is counted, never told to the client."""


class UnknownKey(Exception):
    """The token names a key that the issuer's set did not have when it was last read."""

    def __init__(self, keys: KeySet, key_id: str) -> None:
        super().__init__()
        self.keys = keys
        self.key_id = key_id


class Verified(Generic[Owner]):
    """What a good token says. Holds while the issuer's keys stay the same and the wall clock is within its times."""

    __slots__ = ("_generation", "_keys", "client", "expires_at", "id", "not_before", "subject")

    def __init__(self, client: Owner, subject: str, issuer: str, times: tuple[float, float], keys: KeySet) -> None:
        self.client = client
        self.subject = subject
        self.id = "token:" + issuer
        self.not_before, self.expires_at = times
        self._keys = keys
        self._generation = keys.generation

    def holds(self, now: float) -> bool:
        """Whether it is still good at `now` (seconds of the wall clock)."""
        return self.not_before <= now < self.expires_at and self._generation == self._keys.generation


class _Issuer:
    __slots__ = ("config", "keys", "name", "required", "revoked_ids", "revoked_subjects")

    def __init__(self, name: str, config: IssuerConfig, keys: KeySet) -> None:
        self.name = name
        self.config = config
        self.keys = keys
        self.required = ["exp", "iss", "aud", config.subject_claim, *config.required_claims]
        self.revoked_ids = frozenset(config.revoked_token_ids)
        self.revoked_subjects = frozenset(config.revoked_subjects)


class TokenVerifier(Generic[Owner]):
    """All issuers of one policy. A reload makes a new one: nothing that was verified before is remembered, so what
    the new configuration revokes is gone. Only the issuers' keys are taken over."""

    def __init__(
        self, config: IdentityConfig, clients: Mapping[str, Owner], previous: TokenVerifier[Owner] | None = None
    ) -> None:
        self._clients = clients
        self._issuers: dict[str, _Issuer] = {}
        # By the SHA-256 of the whole token, and so of its issuer, key id and signature: a token that differs in
        # anything is another one.
        self._remembered: dict[bytes, Verified[Owner]] = {}
        self.verdicts: Counter[tuple[str, str]] = previous.verdicts if previous else Counter()
        known = {issuer.keys.source: issuer.keys for issuer in previous._issuers.values()} if previous else {}
        for name, issuer in config.issuers.items():
            keys = KeySet(issuer)
            if keys.source in known:
                keys = known[keys.source]
                keys.adopt(issuer)
                keys.renew_soon()
            if issuer.jwks_file is not None:
                # Checked when the configuration was; one that went bad since is noticed by the background.
                with contextlib.suppress(OSError, ValueError):
                    keys.take(Path(issuer.jwks_file).read_bytes())
            self._issuers[issuer.issuer] = _Issuer(name, issuer, keys)

    @property
    def key_sets(self) -> dict[str, KeySet]:
        """By the name of the issuer."""
        return {issuer.name: issuer.keys for issuer in self._issuers.values()}

    def known(self, token: bytes) -> Verified[Owner] | None:
        """What is remembered of this very token, if it still holds."""
        digest = hashlib.sha256(token).digest()
        found = self._remembered.get(digest)
        if found is None:
            return None
        if found.holds(time.time()):
            return found
        del self._remembered[digest]
        return None

    def verify(self, token: bytes) -> Verified[Owner]:
        """Verify and remember. Raises BadToken or UnknownKey."""
        if len(token) > LONGEST_TOKEN:
            raise self._bad("", "malformed")
        header, claims = _parts(token)
        found = claims.get("iss")
        issuer = self._issuers.get(found) if type(found) is str else None
        if issuer is None:
            raise self._bad("", "malformed" if not claims else "unknown_issuer")
        algorithm, key_id = header.get("alg"), header.get("kid", "")
        # `crit` names extensions that must be understood; none is.
        if algorithm not in issuer.config.algorithms or type(key_id) is not str or "crit" in header:
            raise self._bad(issuer.name, "wrong_algorithm")
        key = issuer.keys.find(key_id, algorithm)
        if key is None:
            self.verdicts[issuer.name, "unknown_key"] += 1
            raise UnknownKey(issuer.keys, key_id)
        try:
            signed: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=issuer.config.audience,
                issuer=issuer.config.issuer,
                leeway=issuer.config.leeway_seconds,
                options={"require": issuer.required},
            )
            verified = self._read(issuer, signed)
        except BadToken:
            raise
        except Exception as error:  # noqa: BLE001, RUF100 - a stranger's bytes: whatever is wrong, it is no token
            raise self._bad(issuer.name, _VERDICTS.get(type(error), "malformed")) from None
        self.verdicts[issuer.name, "good"] += 1
        self._remember(token, verified)
        return verified

    def _read(self, issuer: _Issuer, claims: dict[str, Any]) -> Verified[Owner]:
        config = issuer.config
        subject = claims[config.subject_claim]
        if type(subject) is not str or not subject or len(subject) > _LONGEST_CLAIM:
            raise self._bad(issuer.name, "claim_missing")
        if subject in issuer.revoked_subjects or claims.get("jti") in issuer.revoked_ids:
            raise self._bad(issuer.name, "revoked")
        client = next((rule.client for rule in config.clients if _fits(rule, claims.get(rule.claim))), None)
        if client is None:
            raise self._bad(issuer.name, "no_client")
        leeway = config.leeway_seconds
        begins = max(float(claims.get("nbf", 0)), float(claims.get("iat", 0))) - leeway
        return Verified(
            self._clients[client], subject, issuer.name, (begins, float(claims["exp"]) + leeway), issuer.keys
        )

    def _remember(self, token: bytes, verified: Verified[Owner]) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            # The oldest first: those are the ones next to expire.
            for digest in list(self._remembered)[: _MOST_REMEMBERED // 8]:
                del self._remembered[digest]
        self._remembered[hashlib.sha256(token).digest()] = verified

    def _bad(self, issuer: str, verdict: str) -> BadToken:
        self.verdicts[issuer or "unknown", verdict] += 1
        return BadToken(verdict)


def _fits(rule: ClaimRule, value: Any) -> bool:
    if type(value) is list:
        return any(_fits(rule, entry) for entry in cast("list[Any]", value) if type(entry) is str)
    if type(value) is not str or len(value) > _LONGEST_CLAIM:
        return False
    start, star, end = rule.matches.partition("*")
    if not star:
        return value == start
    return len(value) >= len(start) + len(end) and value.startswith(start) and value.endswith(end)


def _parts(token: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they stand there, unverified: only to find the issuer and the key."""
    parts: list[dict[str, Any]] = []
    for part in token.split(b".")[:2]:
        try:
            value: Any = orjson.loads(base64.urlsafe_b64decode(part + b"=="))
        except ValueError:
            return {}, {}
        parts.append(cast("dict[str, Any]", value) if type(value) is dict else {})
    return parts[0], parts[1]

"""API keys: which client a key belongs to, until it expires."""

from __future__ import annotations

import hashlib
import hmac
import time
from math import inf
from typing import Generic, TypeVar

Owner = TypeVar("Owner")
"""What a key belongs to: a client."""

# Of the digest, for logs and audit: enough to tell keys apart, too little to check a guess of a weak key against.
_ID_DIGITS = 8


class ApiKey(Generic[Owner]):
    """One key that a client may use. `id` names it in audit rows; it cannot be turned back into the key."""

    __slots__ = ("client", "digest", "expires_at", "id")

    def __init__(self, digest: bytes, client: Owner, expires_at: float = inf) -> None:
        self.digest = digest
        self.client = client
        self.expires_at = expires_at
        self.id = "key:" + digest.hex()[:_ID_DIGITS]


class KeyRing(Generic[Owner]):
    """All keys of one policy."""

    __slots__ = ("_by_digest",)

    def __init__(self) -> None:
        self._by_digest: dict[bytes, ApiKey[Owner]] = {}

    def add(self, key: ApiKey[Owner]) -> None:
        """Take `key` up. Given twice (as a hash and with an expiry), the earlier end counts."""
        known = self._by_digest.get(key.digest)
        if known is None or key.expires_at < known.expires_at:
            self._by_digest[key.digest] = key

    def find(self, text: bytes) -> ApiKey[Owner] | None:
        """The key with this text, or None when there is none or it has expired.

        The dictionary is over digests, so what its timing could tell is about the digest of a guess, not about
        the key; the found entry is then compared in constant time all the same.
        """
        digest = hashlib.sha256(text).digest()
        found = self._by_digest.get(digest)
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        if found.expires_at is not inf and time.time() >= found.expires_at:
            return None
        return found

"""Encrypts answers that leave the process: Redis holds neither text nor anything that a guess could be tested by."""

from __future__ import annotations

import secrets
from hashlib import blake2b

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from serving.gateway.cache.kept import Kept

_NONCE_BYTES = 12
_decode = msgspec.msgpack.Decoder(Kept).decode


class Seal:
    """AES-256-GCM with a key derived from the shared secret. Each answer is bound to the name it is kept under."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(blake2b(secret, digest_size=32, person=b"cache answers").digest())

    def close(self, name: str, kept: Kept) -> bytes:
        """The answer as bytes that only the secret opens."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode(kept), name.encode())

    def open(self, name: str, sealed: bytes) -> Kept | None:
        """The answer; None when it was changed, moved, or closed with another secret."""
        try:
            return _decode(self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode()))
        except (InvalidTag, msgspec.DecodeError, ValueError):
            return None

"""Signs the heads of chains with Ed25519, and makes and reads the key that does it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, cast

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

_PURPOSE = b"slipway audit head 1\n"
_HEAD_FIELDS = ("chain", "seq", "hash", "time", "key", "signature")


class SigningKeyUnusable(Exception):
    """The file is there, but is no Ed25519 key in PEM."""


class Signer:
    """One signing key; `key` is what heads name it by."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.key = key_name(private.public_key())

    def head(self, chain: str, number: int, last_hash: str, time: str) -> dict[str, Any]:
        """A signed statement that line `number` of `chain` has this hash, and with it all lines before."""
        head: dict[str, Any] = {"chain": chain, "seq": number, "hash": last_hash, "time": time, "key": self.key}
        head["signature"] = self._private.sign(_PURPOSE + orjson.dumps(head)).hex()
        return head


def key_name(public: Ed25519PublicKey) -> str:
    """Half of the public key's SHA-256, in hex."""
    return hashlib.sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:32]


def head_is_signed(head: dict[str, Any], public: dict[str, Ed25519PublicKey]) -> bool:
    """Whether one of the known keys signed this head."""
    if tuple(head) != _HEAD_FIELDS:
        return False
    key = public.get(head["key"]) if type(head["key"]) is str else None
    signature = head["signature"]
    if key is None or type(signature) is not str or signature != signature.lower():
        return False
    signed = {name: head[name] for name in _HEAD_FIELDS[:-1]}
    try:
        key.verify(bytes.fromhex(signature), _PURPOSE + orjson.dumps(signed))
    except (InvalidSignature, ValueError):
        return False
    return True


def read_head(raw: bytes) -> dict[str, Any] | None:
    """A head from its file; None when it is not one in its one canonical form. Its signature is not checked."""
    try:
        head: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if type(head) is not dict or orjson.dumps(head) + b"\n" != raw:
        return None
    fields = cast("dict[str, Any]", head)
    whole = tuple(fields) == _HEAD_FIELDS and type(fields["seq"]) is int and type(fields["hash"]) is str
    return fields if whole else None


def load_signer(path: Path) -> Signer:
    """The key in `path`, made (mode 0600, public key beside it) if there is none. OSError, SigningKeyUnusable."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        _create(path)
        raw = path.read_bytes()
    try:
        private = load_pem_private_key(raw, None)
    except (ValueError, TypeError):
        raise SigningKeyUnusable from None
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeyUnusable
    public = public_file(path)
    text = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if not public.exists() or public.read_bytes() != text:
        _write_new(public, text, 0o644, replace=True)
    return Signer(private)


def public_file(path: Path) -> Path:
    """Where the public half of a signing key is written."""
    return path.with_name(path.name + ".pub")


def load_public(path: Path) -> dict[str, Ed25519PublicKey]:
    """The public key in `path`, by its name. Raises OSError and SigningKeyUnusable."""
    try:
        public = load_pem_public_key(path.read_bytes())
    except ValueError:
        raise SigningKeyUnusable from None
    if not isinstance(public, Ed25519PublicKey):
        raise SigningKeyUnusable
    return {key_name(public): public}


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_new(path, text, 0o600, replace=False)


def _write_new(path: Path, text: bytes, mode: int, *, replace: bool) -> None:
    """Whole or not at all; of two processes that start at once, the first one's key stays."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        if replace:
            os.replace(temporary, path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)

"""Encrypts prompt and answer text with one key per subject, so that removing the key removes the text for good.

A subject's key is a file: 32 random bytes, wrapped (AES-256-GCM) by the master key and bound to the subject. Whoever
has the audit files but not these files can read nothing; whoever has both needs the master key too.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Any, cast

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from serving.gateway.audit import disk

_KEY_BYTES = 32
_NONCE_BYTES = 12


class MasterKeyUnusable(Exception):
    """The file is there, but does not hold 64 hex digits."""


class SubjectKeyUnusable(Exception):
    """A subject's key file cannot be unwrapped: another master key, or damaged."""


def load_master_key(path: Path, *, create: bool) -> bytes:
    """The master key; made (mode 0600) when there is none and `create`. Raises OSError, MasterKeyUnusable."""
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                disk.write_all(descriptor, secrets.token_hex(_KEY_BYTES).encode() + b"\n")
                disk.sync(descriptor)
            finally:
                os.close(descriptor)
            disk.sync_folder(path.parent)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (UnicodeDecodeError, ValueError):
        raise MasterKeyUnusable from None
    if len(key) != _KEY_BYTES:
        raise MasterKeyUnusable
    return key


class SubjectKeys:
    """The folder of wrapped keys. Used from one thread."""

    def __init__(self, folder: Path, master_key: bytes) -> None:
        self._folder = folder
        self._master = AESGCM(master_key)
        # By subject: the file's identity when it was read (a key that was erased must not live on here).
        self._known: dict[str, tuple[tuple[int, int], str, AESGCM]] = {}

    def encrypt(self, subject: str, place: str, text: bytes) -> dict[str, str]:
        """`place` (chain and line number) is bound in: a text moved to another row does not decrypt there."""
        identifier, key = self._key(subject)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        cipher = key.encrypt(nonce, text, place.encode())
        return {"key": identifier, "nonce": nonce.hex(), "text": base64.b64encode(cipher).decode("ascii")}

    def decrypt(self, subject: str, place: str, content: dict[str, Any]) -> bytes | None:
        """The text; None when its key is gone or is another one. Raises SubjectKeyUnusable."""
        path = key_file(self._folder, subject)
        if not path.exists():
            return None
        identifier, key = self._read(path, subject)
        if identifier != content.get("key"):
            return None
        try:
            return key.decrypt(bytes.fromhex(content["nonce"]), base64.b64decode(content["text"]), place.encode())
        except (InvalidTag, KeyError, ValueError, TypeError):
            return None

    def _key(self, subject: str) -> tuple[str, AESGCM]:
        path = key_file(self._folder, subject)
        try:
            status = path.stat()
        except FileNotFoundError:
            self._create(path, subject)
            status = path.stat()
        identity = (status.st_ino, status.st_mtime_ns)
        known = self._known.get(subject)
        if known is None or known[0] != identity:
            if len(self._known) >= 10_000:
                self._known.clear()
            known = self._known[subject] = (identity, *self._read(path, subject))
        return known[1], known[2]

    def _create(self, path: Path, subject: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        wrapped = self._master.encrypt(nonce, secrets.token_bytes(_KEY_BYTES), subject.encode())
        fields = {"version": 1, "key": secrets.token_hex(8), "nonce": nonce.hex(), "wrapped": wrapped.hex()}
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        disk.replace(temporary, orjson.dumps(fields))
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)  # of two processes, the first one's key stays
        temporary.unlink()
        disk.sync_folder(path.parent)

    def _read(self, path: Path, subject: str) -> tuple[str, AESGCM]:
        try:
            fields = cast("dict[str, Any]", orjson.loads(path.read_bytes()))
            wrapped = bytes.fromhex(fields["wrapped"])
            key = self._master.decrypt(bytes.fromhex(fields["nonce"]), wrapped, subject.encode())
            return str(fields["key"]), AESGCM(key)
        except (orjson.JSONDecodeError, InvalidTag, KeyError, TypeError, ValueError):
            raise SubjectKeyUnusable(path.name) from None


def key_file(folder: Path, subject: str) -> Path:
    """Named by a hash: a subject may be any text."""
    return folder / f"{hashlib.sha256(subject.encode()).hexdigest()}.key"


def erase_key(folder: Path, subject: str) -> bool:
    """Overwrite and remove a subject's key; False when there is none. Raises OSError."""
    path = key_file(folder, subject)
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return False
    try:
        disk.write_all(descriptor, b"\0" * os.fstat(descriptor).st_size)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink()
    disk.sync_folder(folder)
    return True

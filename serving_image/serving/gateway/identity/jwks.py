"""Reads a JSON Web Key Set: which of its keys can verify a signature, and with which algorithms."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, cast

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

# NIST SP 800-131A: shorter RSA keys are disallowed for signatures.
_SHORTEST_RSA_BITS = 2048
_FAMILIES: dict[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "OKP": ("EdDSA",),
}
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

Keys = dict[str, dict[str, PyJWK]]
"""By key id (empty: the set gives none), then by algorithm."""


def read_set(raw: bytes, allowed: Sequence[str]) -> Keys:
    """The usable keys of a whole set. Raises ValueError when it is none or has none."""
    return usable_keys(entries_of(raw), allowed)


def entries_of(raw: bytes) -> list[Any]:
    """The keys of a set as they stand there. Raises ValueError."""
    document: Any = orjson.loads(raw)
    keys: Any = cast("dict[str, Any]", document).get("keys") if type(document) is dict else None
    if type(keys) is not list:
        raise ValueError("no list of keys")
    return cast("list[Any]", keys)


def usable_keys(entries: Sequence[Any], allowed: Sequence[str]) -> Keys:
    """The signature keys among `entries` for the allowed algorithms. Others are skipped: sets hold keys for encryption
    and for algorithms of tomorrow. Raises ValueError when none is left."""
    usable: Keys = {}
    for entry in entries:
        if type(entry) is not dict:
            continue
        fields = cast("dict[str, Any]", entry)
        operations = fields.get("key_ops")
        if fields.get("use") not in (None, "sig") or (type(operations) is list and "verify" not in operations):
            continue
        key_id = fields.get("kid")
        for algorithm in _algorithms(fields):
            if algorithm not in allowed:
                continue
            # One odd key must not take the others away.
            with contextlib.suppress(PyJWTError, ValueError, TypeError):
                key = PyJWK(fields, algorithm)
                if not isinstance(key.key, RSAPublicKey) or key.key.key_size >= _SHORTEST_RSA_BITS:
                    usable.setdefault(key_id if type(key_id) is str else "", {})[algorithm] = key
    if not usable:
        raise ValueError("no usable key")
    return usable


def _algorithms(entry: dict[str, Any]) -> tuple[str, ...]:
    """What a key can be used for: what it says, otherwise everything its type can do."""
    kind = entry.get("kty")
    if kind == "EC":
        able: tuple[str, ...] = tuple(_CURVES[curve] for curve in [entry.get("crv")] if curve in _CURVES)
    else:
        able = _FAMILIES.get(str(kind), ())
    said = entry.get("alg")
    return able if said is None else tuple(name for name in able if name == said)

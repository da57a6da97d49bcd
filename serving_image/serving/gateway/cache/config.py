"""The `cache` part of the configuration file: its shape, its checks, and the files that it names."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from serving.gateway.limits.config import read_store_url
from serving.gateway.privacy.config import PrivacyConfig
from serving.gateway.strict import Strict, path_shown, problem

_MIB = 1024 * 1024
_Bytes = Annotated[int, Meta(ge=65_536, le=1 << 44)]
_AnswerBytes = Annotated[int, Meta(ge=256, le=16 * _MIB)]
_Age = Annotated[float, Meta(ge=0.1, le=30 * 86_400)]
_Namespace = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_SHORTEST_KEY = 32


class MemoryCacheConfig(Strict, frozen=True, tag_field="kind", tag="memory"):
    """Answers are kept by this process, and forgotten when it ends.

    `largest_bytes` bounds all of them together (what was not asked for longest goes first), `largest_answer_bytes`
    one of them, `age_seconds` how long one is kept.
    """

    largest_bytes: _Bytes = 64 * _MIB
    largest_answer_bytes: _AnswerBytes = _MIB
    age_seconds: _Age = 3600.0


class RedisCacheConfig(Strict, frozen=True, tag_field="kind", tag="redis"):
    """Answers are kept, encrypted, in a Redis or Valkey that all gateways with the same `namespace` and key share.

    `url_file` holds one line `redis://`, `rediss://` (TLS) or `unix://`, `key_file` the secret that answers are
    encrypted with. The bounds are those of the memory cache, but the oldest answers go first. A Redis that does not
    answer within `timeout_seconds` has nothing: that is a miss and never an error.
    """

    url_file: str
    key_file: str
    largest_bytes: _Bytes = 64 * _MIB
    largest_answer_bytes: _AnswerBytes = _MIB
    age_seconds: _Age = 3600.0
    namespace: _Namespace = "slipway"
    timeout_seconds: Annotated[float, Meta(ge=0.01, le=0.5)] = 0.1
    # Certificates to trust for rediss://; absent: the system's.
    ca_file: str | None = None


CacheConfig = MemoryCacheConfig | RedisCacheConfig


@dataclass(frozen=True, kw_only=True)
class CacheSetup:
    """The configuration with what its files hold. `privacy` is a digest of everything that decides what is personal
    data: an answer that was scanned by other rules is not given again."""

    config: CacheConfig
    url: str | None
    secret: bytes | None
    privacy: str


class CachingClient(Protocol):
    """The part of a client's configuration that is read here."""

    @property
    def cache(self) -> bool: ...


def load_cache(
    where: str,
    config: CacheConfig,
    clients: Mapping[str, CachingClient],
    privacy: PrivacyConfig | None,
    problems: list[str],
) -> CacheSetup | None:
    """Append what is wrong to `problems`; None when no client asks for a cache."""
    if config.largest_answer_bytes > config.largest_bytes:
        problems.append(
            problem(
                f"{where}.largest_answer_bytes",
                str(config.largest_answer_bytes),
                f"at most largest_bytes ({config.largest_bytes})",
                "Lower it, or raise largest_bytes.",
            )
        )
    url: str | None = None
    secret: bytes | None = None
    if isinstance(config, RedisCacheConfig):
        url = read_store_url(where, config.url_file, config.ca_file, problems)
        secret = _read_secret(f"{where}.key_file", config.key_file, problems)
    if not any(client.cache for client in clients.values()):
        return None
    return CacheSetup(config=config, url=url, secret=secret, privacy=_digest(privacy))


def _read_secret(where: str, key_file: str, problems: list[str]) -> bytes | None:
    try:
        secret = Path(key_file).read_bytes().strip()
    except OSError as error:
        found = f"{type(error).__name__} reading {path_shown(key_file)}"
    else:
        if _SHORTEST_KEY <= len(secret) <= 64:
            return secret
        found = f"{len(secret)} bytes in {path_shown(key_file)}"
    allowed = f"a readable file with {_SHORTEST_KEY} to 64 random bytes"
    problems.append(problem(where, found, allowed, "Write a fresh secret there (openssl rand -hex 32)."))
    return None


def _digest(privacy: PrivacyConfig | None) -> str:
    # Where a key is kept decides nothing, and is another place after every change.
    rules = None if privacy is None else msgspec.structs.replace(privacy, key_file=None)
    digest = hashlib.sha256(msgspec.json.encode(rules, order="deterministic"))
    for names in () if privacy is None else privacy.names.values():
        with contextlib.suppress(OSError):  # said where names are loaded
            digest.update(hashlib.sha256(Path(names.file).read_bytes()).digest())
    return digest.hexdigest()

"""The cache of one configuration: its store, and the keys under which answers are found again."""

from __future__ import annotations

import secrets
from hashlib import blake2b

from serving.gateway.cache.config import CacheSetup, RedisCacheConfig
from serving.gateway.cache.kept import Store
from serving.gateway.cache.memory_store import MemoryStore
from serving.gateway.cache.redis_store import RedisStore


class ResponseCache:
    """Lives on through reloads that do not change it."""

    def __init__(self, setup: CacheSetup) -> None:
        self.setup = setup
        self.largest_answer_bytes = setup.config.largest_answer_bytes
        self.store: Store
        if isinstance(setup.config, RedisCacheConfig):
            assert setup.url is not None
            assert setup.secret is not None
            secret = setup.secret
            self.store = RedisStore(setup.config, setup.url, secret)
        else:
            secret = secrets.token_bytes(32)
            self.store = MemoryStore(setup.config)
        # A secret one: names of entries leave the process, and must not tell whether somebody asked this or that.
        self.naming_key = blake2b(secret, digest_size=32, person=b"cache names").digest()


class ClientCache:
    """One client's part of it: nothing that is kept for one client is found for another."""

    __slots__ = ("_scopes", "cache")

    def __init__(self, cache: ResponseCache, scopes: dict[str, bytes]) -> None:
        """`scopes`: by model, everything that separates answers and is known before a request comes."""
        self.cache = cache
        self._scopes = {
            model: blake2b(scope, digest_size=32, key=cache.naming_key).digest() for model, scope in scopes.items()
        }

    def key(self, model: str, subject: str, endpoint: str, boundaries: frozenset[str] | None, body: bytes) -> bytes:
        """The key of a request. `body` is what an engine would get, byte for byte: no field is left out, and nobody
        has to know which spellings of a body mean the same."""
        hashing = blake2b(self._scopes[model], digest_size=32, key=self.cache.naming_key)
        narrowed = "" if boundaries is None else "\0".join(sorted(boundaries)) + "\0"
        for part in (subject.encode("utf-8", "surrogatepass"), endpoint.encode(), narrowed.encode()):
            hashing.update(b"%d:%b" % (len(part), part))
        hashing.update(body)
        return hashing.digest()


def cache_for(setup: CacheSetup | None, previous: ResponseCache | None) -> ResponseCache | None:
    """The cache of a new configuration: the one before if it is the same, otherwise an empty one."""
    if previous is not None:
        if setup is not None and _same(setup, previous.setup):
            return previous
        previous.store.close()
    return None if setup is None else ResponseCache(setup)


def _same(one: CacheSetup, other: CacheSetup) -> bool:
    # What is personal data is a part of the keys of those clients whom it concerns.
    return (one.config, one.url, one.secret) == (other.config, other.url, other.secret)

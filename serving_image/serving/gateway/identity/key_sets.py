"""An issuer's public keys (JWKS): read, kept while they cannot be had, and asked for again without being a lever."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from jwt import PyJWK

from serving.gateway.identity.jwks import Keys, entries_of, usable_keys

if TYPE_CHECKING:
    from serving.gateway.identity.config import IssuerConfig

_LARGEST_SET = 1024 * 1024
_FETCH_SECONDS = 5.0
# A key that was not in the set is not asked for again for this long, unless the set is read anew for another reason.
_UNKNOWN_SECONDS = 60.0
_MOST_UNKNOWN = 1024


class KeySet:
    """The keys of one issuer. Outlives reloads that do not change where they come from.

    `generation` changes whenever the keys do: what was verified with an earlier set is verified again.
    """

    def __init__(self, config: IssuerConfig) -> None:
        self.source = (config.jwks_url, config.jwks_file, config.ca_file, tuple(config.algorithms))
        self.keys: Keys = {}
        self.generation = 0
        self.failures = 0
        self.adopt(config)
        self._raw: list[Any] = []
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._unknown: dict[str, float] = {}

    def adopt(self, config: IssuerConfig) -> None:
        """Times may change with a reload."""
        self._refresh_seconds = config.refresh_seconds
        self._refetch_seconds = config.refetch_seconds
        self._stale_seconds = config.stale_seconds

    @property
    def loaded(self) -> bool:
        """Whether there are keys at all."""
        return bool(self.keys)

    def find(self, key_id: str, algorithm: str) -> PyJWK | None:
        """The key a token names. A token that names none fits only a set with one key for its algorithm."""
        if key_id:
            return self.keys.get(key_id, {}).get(algorithm)
        fitting = [keys[algorithm] for keys in self.keys.values() if algorithm in keys]
        return fitting[0] if len(fitting) == 1 else None

    def may_have(self, key_id: str) -> bool:
        """Whether asking again for an unknown key is allowed now; counts as the answer for a while."""
        now = time.monotonic()
        if self._reading is None and now < self._tried_at + self._refetch_seconds:
            return False
        return self._unknown.get(key_id, 0.0) <= now

    async def ask_again(self, key_id: str) -> None:
        """Read the set once more for `key_id`; all who ask at the same time share one reading."""
        await self.read()
        if key_id not in self.keys:
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[key_id] = time.monotonic() + _UNKNOWN_SECONDS

    def renew_soon(self) -> None:
        """After a reload: whoever reloads may be waiting for a withdrawn key to be gone."""
        self._tried_at = float("-inf")

    def is_due(self) -> bool:
        """Whether the background should read it now; drops keys that are too old to be trusted."""
        now = time.monotonic()
        if self.keys and now > self._read_at + self._stale_seconds:
            self.keys = {}
            self._raw = []
            self.generation += 1
        wait = self._refresh_seconds if self.failures == 0 else min(self._refresh_seconds, self._refetch_seconds)
        return self._reading is None and now >= self._tried_at + wait

    async def read(self) -> None:
        """Read the set; on failure the old keys stay. Never raises but for cancellation."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())
            self._reading.add_done_callback(self._done)
        # One waiting request that is cancelled must not cancel the reading for the others.
        await asyncio.shield(self._reading)

    def take(self, raw: bytes) -> None:
        """Use this set. Raises ValueError and keeps the old one when it has no usable key."""
        entries = entries_of(raw)
        self._read_at = time.monotonic()
        if entries == self._raw:
            return
        self.keys = usable_keys(entries, self.source[3])
        self._raw = entries
        self._unknown.clear()
        self.generation += 1

    async def _read(self) -> None:
        self._tried_at = time.monotonic()
        try:
            self.take(await self._fetch())
        except (ValueError, OSError, TimeoutError, aiohttp.ClientError):
            self.failures += 1
        else:
            self.failures = 0

    def _done(self, _: asyncio.Task[None]) -> None:
        self._reading = None

    async def _fetch(self) -> bytes:
        url, file, ca_file, _ = self.source
        if url is None:
            return await asyncio.to_thread(Path(cast("str", file)).read_bytes)
        trust: ssl.SSLContext | bool = True
        if ca_file is not None:
            trust = await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)
        timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(url, ssl=trust, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            raw = b""
            async for piece in answer.content.iter_any():
                raw += piece
                if len(raw) > _LARGEST_SET:
                    raise ValueError("too large")
            return raw

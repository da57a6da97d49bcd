"""One connection to Redis or Valkey: scripts by their digest, made anew after any failure. It keeps no time itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as LinkBroken
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as LinkTimeout

AWAY = (RedisError, OSError, TimeoutError, asyncio.IncompleteReadError, ValueError)
"""Whatever goes wrong on the way, a refusing or confused server included, the store is away."""

Call = tuple[list[str], Sequence[str | int | float | bytes]]


class RedisLink:
    """Commands used: EVALSHA, SCRIPT LOAD, PING; inside the scripts TIME, HGETALL, HSET, HDEL, EXPIRE, PEXPIRE."""

    def __init__(
        self,
        url: str,
        timeout: float,
        ca_file: str | None,
        scripts: tuple[str, ...],
        *,
        verify_host: bool = True,
        identity: CredentialProvider | None = None,
    ) -> None:
        self._url = url
        self._options: dict[str, Any] = {
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "single_connection_client": True,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        if url.startswith("rediss:") and ca_file is not None:
            self._options |= {"ssl_ca_certs": ca_file, "ssl_check_hostname": verify_host}
        if identity is not None:
            self._options["credential_provider"] = identity
        # The digest is how Redis names a script, nothing secret.
        self._digests = {script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest() for script in scripts}
        self._client: Any = None

    async def ping(self) -> None:
        """Raises one of AWAY when there is no answer."""
        await self._once_again_if_stale(self._ping)

    async def call(self, script: str, calls: Sequence[Call]) -> list[Any]:
        """Run `script` once for each of (keys, values), in one round trip."""

        async def run() -> list[Any]:
            try:
                return await self._evaluate(script, calls)
            except NoScriptError:  # a server that was restarted
                await self._connected().script_load(script)
                return await self._evaluate(script, calls)

        return await self._once_again_if_stale(run)

    async def drop(self) -> None:
        """Hang up; the next command connects again."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*AWAY):
                await client.connection_pool.disconnect(inuse_connections=True)
            with contextlib.suppress(*AWAY):
                await client.aclose()

    async def _ping(self) -> None:
        await self._connected().ping()

    async def _evaluate(self, script: str, calls: Sequence[Call]) -> list[Any]:
        pipeline = self._connected().pipeline(transaction=False)
        for keys, values in calls:
            pipeline.evalsha(self._digests[script], len(keys), *keys, *values)
        return await pipeline.execute()

    async def _once_again_if_stale(self, command: Any) -> Any:
        """A connection may have died unnoticed (a restarted server): that is no outage yet. The scripts can be
        repeated, because totals are told as absolute numbers."""
        fresh = self._client is None
        try:
            return await command()
        except LinkTimeout:
            raise
        except (LinkBroken, OSError):
            if fresh:
                raise
        await self.drop()
        return await command()

    def _connected(self) -> Any:
        if self._client is None:
            # Its keywords are untyped.
            self._client = cast("Any", redis.asyncio.Redis).from_url(self._url, **self._options)
        return self._client

"""Discovery by DNS: one replica per address of a host name, asked again and again in the background."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

# A failed look-up is repeated sooner than a good one, but not in a hurry.
_AGAIN_SECONDS = 1.0
# A resolver that does not answer must not hold a thread of the default pool's few for its own five seconds times
# servers; the look-up then counts as failed.
_LIMIT_SECONDS = 10.0

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of `host`, by the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def follow_dns(
    url: str,
    every_seconds: float,
    found: Callable[[tuple[str, ...]], None],
    trouble: Callable[[str], None],
    resolve: Resolve | None = None,
) -> None:
    """Until cancelled. A failure or an empty answer changes nothing: the known replicas are still there, and whether
    they work is for the breaker to see."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    failing = False
    while True:
        wait = every_seconds
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                addresses = await (resolve or _system)(host, port)
            if not addresses:
                raise OSError("no address")
        except (OSError, TimeoutError, UnicodeError) as error:
            if not failing:  # once per outage, not once per second
                trouble(type(error).__name__)
            failing = True
            wait = min(_AGAIN_SECONDS, every_seconds)
        else:
            failing = False
            found(tuple(sorted({f"http://{_bracketed(address)}:{port}" for address in addresses})))
        await asyncio.sleep(wait)


def _system(host: str, port: int) -> Awaitable[list[str]]:
    # Looked up at each call, so that a test can put another resolver into this module.
    return resolve(host, port)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address

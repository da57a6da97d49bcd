"""Copies closed segments to an S3- or GCS-compatible bucket, with object lock where the configuration asks for it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
from yarl import URL

from serving.gateway.audit import disk
from serving.gateway.audit.beginning import Note
from serving.gateway.audit.config import ObjectStoreConfig
from serving.gateway.audit.credentials import CredentialsAway, credential_source
from serving.gateway.audit.segments import chains_in, is_being_written, is_closed, sent_file
from serving.gateway.audit.sigv4 import DIALECTS, signed_headers

_EVERY_SECONDS = 1.0
_LONGEST_PAUSE = 60.0
_CONNECT_SECONDS = 15.0
_REQUEST_SECONDS = 120.0
# The uplink of a small site is not a data centre's: a large segment gets the time that it takes.
_SLOWEST_BYTES_PER_SECOND = 16 * 1024
_PIECE = 256 * 1024
_DAY = 86_400
# A folder in which no name came or went has no new segment, as far as its time of change can tell; looked through all
# the same so often. One look at the segments of two weeks takes a third of a second.
_LOOK_SECONDS = 60.0
# For the last segments, when the process ends.
_LAST_SECONDS = 30.0


class ObjectStore:
    """One bucket, and the folder whose closed segments it gets."""

    def __init__(self, config: ObjectStoreConfig, folder: Path, chain: str, note: Note) -> None:
        self._config = config
        self._credentials = credential_source(config)
        self._dialect = DIALECTS[config.kind]
        self._folder = folder
        self._chain = chain
        self._note = note
        self._session: aiohttp.ClientSession | None = None
        self._failing = False
        self._changed_at = -1
        self._looked_at = 0.0
        self.sent = 0
        self.unsent = 0
        # Seconds for which the oldest closed segment has waited.
        self.waiting_seconds = 0.0

    @property
    def too_old(self) -> bool:
        """Whether a copy waits longer than the configuration allows."""
        longest = self._config.longest_unsent_seconds
        return longest is not None and self.waiting_seconds > longest

    async def run(self) -> None:
        """Send what is closed, until cancelled; pauses grow while the store does not answer."""
        pause = _EVERY_SECONDS
        while True:
            pause = _EVERY_SECONDS if await self.send_closed() else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def finish(self) -> bool:
        """After the writer has closed its segment: the last ones. False when some did not get there."""
        self._changed_at = -1
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                while not await self.send_closed():  # noqa: ASYNC110
                    await asyncio.sleep(_EVERY_SECONDS)
        except TimeoutError:
            pass
        if self._session is not None:
            await self._session.close()
            self._session = None
        return self.unsent == 0

    async def send_closed(self) -> bool:
        """One round; False when something could not be sent (it stays and is tried again)."""
        try:
            waiting = await asyncio.to_thread(self._closed_segments)
            self._observe(waiting)
            for index, segment in enumerate(waiting):
                await self._put(segment)
                await asyncio.to_thread(disk.replace, sent_file(segment), b"")
                self.sent += 1
                self._observe(waiting[index + 1 :])
        except (OSError, aiohttp.ClientError, TimeoutError, CredentialsAway, _StoreRefused) as error:
            if not self._failing:
                found = str(error) if isinstance(error, CredentialsAway | _StoreRefused) else type(error).__name__
                self._note("audit_object_store_away", "error", found=found, unsent=self.unsent)
            self._failing = True
            return False
        if self._failing:
            self._note("audit_object_store_back", "info", sent=self.sent)
        self._failing = False
        return True

    def _observe(self, waiting: list[Path]) -> None:
        self.unsent = len(waiting)
        oldest = min((path.stat().st_mtime for path in waiting), default=time.time())
        self.waiting_seconds = max(0.0, time.time() - oldest)

    def _closed_segments(self) -> list[Path]:
        changed_at = self._folder.stat().st_mtime_ns
        if not self.unsent and changed_at == self._changed_at and time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return []
        self._changed_at = changed_at
        self._looked_at = time.monotonic()
        found: list[Path] = []
        for chain, segments in chains_in(self._folder).items():
            if chain != self._chain and is_being_written(self._folder, chain):
                continue  # its own process sends them
            found += [
                segment
                for segment in segments
                if not sent_file(segment).exists() and (segment != segments[-1] or is_closed(segment))
            ]
        return found

    async def _put(self, segment: Path) -> None:
        sha256, md5, size = await asyncio.to_thread(_digests, segment)
        prefix = self._dialect.prefix
        headers = {
            "content-type": "application/jsonl",
            "content-length": str(size),
            "content-md5": base64.b64encode(md5).decode("ascii"),  # object lock requires a checksum
        }
        lock = self._config.object_lock
        if lock is not None:
            until = time.gmtime(time.time() + lock.days * _DAY)
            headers[f"{prefix}-object-lock-mode"] = lock.mode.upper()
            headers[f"{prefix}-object-lock-retain-until-date"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", until)
        name = quote(f"{self._config.prefix}{segment.name[:8]}/{segment.name}", safe="/-_.~")
        url = f"{self._config.url.rstrip('/')}/{name}"
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS))
        credentials = await self._credentials.current(self._session)
        signed = signed_headers("PUT", url, headers, sha256, credentials, self._dialect, self._config.region)
        seconds = _REQUEST_SECONDS + size / _SLOWEST_BYTES_PER_SECOND
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
        # Read piece by piece, each on a thread: a segment is too large for the event loop.
        with segment.open("rb") as file:
            async with self._session.put(
                URL(url, encoded=True),
                data=_pieces(file.fileno()),
                headers=signed,
                allow_redirects=False,
                timeout=timeout,
            ) as answer:
                await answer.read()
                if answer.status not in (200, 201, 204):
                    raise _StoreRefused(f"status {answer.status}")


class _StoreRefused(Exception):
    """The store answered something else than success."""


async def _pieces(descriptor: int):
    offset = 0
    while piece := await asyncio.to_thread(os.pread, descriptor, _PIECE, offset):
        offset += len(piece)
        yield piece


def _digests(segment: Path) -> tuple[str, bytes, int]:
    sha256 = hashlib.sha256()
    md5 = hashlib.md5(usedforsecurity=False)
    size = 0
    for piece in _read(segment):
        sha256.update(piece)
        md5.update(piece)
        size += len(piece)
    return sha256.hexdigest(), md5.digest(), size


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece

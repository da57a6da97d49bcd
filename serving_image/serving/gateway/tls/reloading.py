"""Keeps the public listener's certificate current: takes changed files over, and keeps the old when they are bad."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from serving.gateway.tls.certificates import Certificates, TlsProblem, load_certificates

if TYPE_CHECKING:
    from serving.gateway.journal import Journal
    from serving.gateway.listener import Listener
    from serving.gateway.metrics import Metrics

_EVERY_SECONDS = 2.0


class PublicTls:
    """Which certificate new connections get. Those that are open keep theirs."""

    def __init__(self, certificates: Certificates | None, metrics: Metrics, journal: Journal) -> None:
        self.certificates = certificates
        self._metrics = metrics
        self._journal = journal
        self._lock = asyncio.Lock()
        self._refused: object = None
        self._tell()

    async def adopt(self, certificates: Certificates | None, listener: Listener) -> None:
        """From a reload of the configuration."""
        async with self._lock:
            if certificates is not self.certificates:
                await listener.accept_with(certificates.context if certificates else None)
                self.certificates = certificates
                self._tell()

    async def watch_forever(self, listener: Listener) -> None:
        """Look at the files every two seconds, on a thread: they may lie on a slow disk. Runs until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            current = self.certificates
            if current is None or not await asyncio.to_thread(current.is_stale):
                continue
            try:
                renewed = await asyncio.to_thread(load_certificates, "tls", current.config)
            except TlsProblem as problem:
                # Once per text: files that stay bad are not told of every two seconds.
                if str(problem) != self._refused:
                    self._refused = str(problem)
                    self._metrics.certificate_reloads.labels("refused").inc()
                    self._journal.note("certificate_refused", "error", problems=[str(problem)])
                continue
            self._refused = None
            if self.certificates is current:
                await self.adopt(renewed, listener)
                self._metrics.certificate_reloads.labels("done").inc()
                self._journal.note("certificate_renewed", expires_at=int(renewed.expires_at))

    def _tell(self) -> None:
        if self.certificates is None:
            return
        self._metrics.certificate_expires.set(self.certificates.expires_at)
        for name in self.certificates.weakenings:
            self._journal.note("weakening", "warning", name=name)

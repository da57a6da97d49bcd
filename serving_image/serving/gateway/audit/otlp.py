"""Sends a copy of each row to an OTLP collector (HTTP, JSON). A copy only: it may drop, and counts what it drops."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from serving.gateway.audit.beginning import Note
from serving.gateway.audit.config import OtlpLogsConfig

_BATCH = 256
_EVERY_SECONDS = 0.5
_LONGEST_PAUSE = 30.0
_LAST_SECONDS = 5.0


class OtlpLogs:
    """Fed with lines that are already durable in the file, so nothing of the audit depends on the collector."""

    def __init__(self, config: OtlpLogsConfig, note: Note) -> None:
        self._config = config
        self._headers = {"Content-Type": "application/json", **_read_headers(config.header_file)}
        self._note = note
        self._lines: deque[bytes] = deque()
        self._session: aiohttp.ClientSession | None = None
        self._failing = False
        self.dropped = 0
        self.sent = 0

    def feed(self, lines: list[bytes]) -> None:
        """On the event loop. What does not fit into the queue is dropped and counted."""
        room = self._config.queue_rows - len(self._lines)
        self.dropped += max(0, len(lines) - room)
        self._lines.extend(lines[:room])

    async def run(self) -> None:
        """Send, until cancelled."""
        pause = _EVERY_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = _EVERY_SECONDS if await self.send_waiting() else min(pause * 2, _LONGEST_PAUSE)

    async def finish(self) -> None:
        """What waits at the end, as far as the collector takes it now."""
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await self.send_waiting()
        except TimeoutError:
            pass
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send_waiting(self) -> bool:
        """One round; False when the collector did not take a batch (it is kept for the next round)."""
        while self._lines:
            batch = [self._lines[index] for index in range(min(_BATCH, len(self._lines)))]
            if not await self._post(_request(batch)):
                return False
            for _ in batch:
                self._lines.popleft()
            self.sent += len(batch)
        return True

    async def _post(self, body: bytes) -> bool:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        try:
            async with self._session.post(
                self._config.url, data=body, headers=self._headers, allow_redirects=False
            ) as answer:
                await answer.read()
                taken = answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            taken = False
        if taken == self._failing:
            self._failing = not taken
            event = "audit_otlp_back" if taken else "audit_otlp_away"
            self._note(event, "info" if taken else "warning", dropped=self.dropped)
        return taken


def _request(lines: list[bytes]) -> bytes:
    records = [_record(line) for line in lines]
    resource = {"attributes": [_attribute("service.name", "slipway-gateway")]}
    scope = {"name": "slipway.audit", "version": "1"}
    logs = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": records}]}]}
    return orjson.dumps(logs)


def _record(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = orjson.loads(line)
    names = ("request_id", "client", "model", "route", "finish")
    attributes = [_attribute(f"slipway.audit.{name}", row[name]) for name in names if row.get(name)]
    attributes.append({"key": "http.response.status_code", "value": {"intValue": str(row["status"])}})
    # The line itself is the body: with it the chain can be checked from the collector's side too.
    body = {"stringValue": line.decode()}
    return {"severityText": "INFO", "severityNumber": 9, "body": body, "attributes": attributes}


def _attribute(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": value}}


def _read_headers(path: str | None) -> dict[str, str]:
    """Lines `Name: value`: credentials of the collector stay out of the configuration."""
    if path is None:
        return {}
    pairs = [line.partition(":") for line in Path(path).read_text(encoding="ascii").splitlines() if line.strip()]
    return {name.strip(): value.strip() for name, _, value in pairs}

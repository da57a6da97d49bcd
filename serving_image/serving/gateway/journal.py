"""The log: JSON lines on stdout, written in small batches so that a request costs no system call of its own.

Whoever reads stdout may be slow or stuck. Serving never waits for it: what it does not take is kept up to a bound and
then dropped, which is counted and said in the log itself once it is read again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import sys
import time
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from serving.gateway.context import RequestContext

_BATCH_SECONDS = 0.02
# Kept for a reader that is stuck: some 20,000 requests.
_MOST_WAITING = 8 * 1024 * 1024
# What a pipe that says it is writable takes without blocking (PIPE_BUF).
_PIECE = select.PIPE_BUF
# How long the last lines wait for a slow reader when the process ends.
_FAREWELL_SECONDS = 2.0


class Journal:
    """Owns what is written. Never a key, a prompt or an answer: only the fields named here."""

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        # Encoded, and not taken by the reader yet.
        self._waiting = b""
        self._waiting_bytes = 0
        self._dropped_told = 0
        self._scheduled = False
        self._millisecond = 0
        self._stamp = ""
        self._writable = select.poll()
        self._writable.register(descriptor, select.POLLOUT)

    def request(self, context: RequestContext, duration: float) -> None:
        """One line for one finished request."""
        first_byte = context.first_byte_at
        self._append(
            orjson.dumps(
                {
                    "time": self._now(),
                    "level": "info",
                    "event": "request",
                    "request_id": context.request_id.decode(),
                    "client": context.client_name,
                    "model": context.model_name,
                    "endpoint": context.endpoint,
                    "stream": context.stream,
                    "status": context.status,
                    "reason": context.reason or None,
                    # Microseconds, without a format for each number: that costs more than all the rest of the line.
                    "duration_ms": int(duration * 1_000_000) / 1000,
                    "first_byte_ms": int((first_byte - context.started_at) * 1_000_000) / 1000 if first_byte else None,
                    "prompt_tokens": context.prompt_tokens,
                    "output_tokens": context.output_tokens,
                }
            )
        )

    def note(self, event: str, level: str = "info", **fields: str | int | float | list[str]) -> None:
        """One line about the process itself."""
        self._append(orjson.dumps({"time": self._now(), "level": level, "event": event, **fields}))

    def flush(self, seconds: float = _FAREWELL_SECONDS) -> None:
        """Write what is waiting; a reader that takes nothing for `seconds` loses the rest."""
        while self._write_ready() and self._writable.poll(seconds * 1000):
            continue

    def _append(self, line: bytes) -> None:
        if self._waiting_bytes > _MOST_WAITING:
            self.dropped += 1
            return
        self._lines.append(line)
        self._waiting_bytes += len(line) + 1
        if not self._scheduled:
            try:
                asyncio.get_running_loop().call_later(_BATCH_SECONDS, self._write_batch)
                self._scheduled = True
            except RuntimeError:  # before the loop runs, or after
                self.flush()

    def _write_batch(self) -> None:
        self._scheduled = False
        if self._write_ready() and not self._scheduled:  # the reader is behind
            asyncio.get_running_loop().call_later(_BATCH_SECONDS, self._write_batch)
            self._scheduled = True

    def _write_ready(self) -> bool:
        """Write as much as can be taken without waiting; whether something is left."""
        batch = b"\n".join((*self._lines, b"")) if self._lines else b""
        batch = self._waiting + batch
        self._lines.clear()
        at = 0
        try:
            while at < len(batch) and self._writable.poll(0):
                at += os.write(self._descriptor, batch[at : at + _PIECE])
        except OSError:
            # Nobody reads the log any more: serving goes on without it.
            at = len(batch)
        self._waiting = batch[at:]
        self._waiting_bytes = len(batch) - at
        if self.dropped > self._dropped_told and self._waiting_bytes < _MOST_WAITING // 2:
            lost, self._dropped_told = self.dropped - self._dropped_told, self.dropped
            self.note("log_lines_dropped", "warning", lines=lost)
        return bool(self._waiting or self._lines)

    def _now(self) -> str:
        now = int(time.time() * 1000)
        if now != self._millisecond:
            self._millisecond = now
            second, rest = divmod(now, 1000)
            self._stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest:03d}Z"
        return self._stamp


class JournalHandler(logging.Handler):
    """Puts what libraries log (warnings and worse) into the same journal.

    Only the exception's type and place, never its text: texts of decoding errors quote what they decoded.
    """

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        fields: dict[str, str | int | float | list[str]] = {"logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            fields["message"] = record.getMessage().split("\n", 1)[0][:500]
        else:
            fields |= describe(error)
        self._journal.note("library", record.levelname.lower(), **fields)


def describe(error: BaseException) -> dict[str, str | int | float | list[str]]:
    """Type and place of an exception, without its text."""
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return {"error": type(error).__name__, "places": places[-12:]}


def stdout_journal() -> Journal:
    """The journal of this process."""
    sys.stdout.flush()
    return Journal(sys.stdout.fileno())

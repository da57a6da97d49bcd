"""The log: JSON lines on stdout, written in small batches so that a request costs no system call of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from serving.gateway.context import RequestContext

_BATCH_SECONDS = 0.02


class Journal:
    """Owns what is written. Never a key, a prompt or an answer: only the fields named here."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self._second = 0
        self._stamp = ""

    def request(self, context: RequestContext, duration: float) -> None:
        """One line for one finished request."""
        first_byte = context.first_byte_at
        self._write(
            {
                "time": self._now(),
                "level": "info",
                "event": "request",
                "request_id": context.request_id.decode("ascii"),
                "client": context.client.name if context.client else None,
                "model": context.model.name if context.model else None,
                "endpoint": context.endpoint,
                "stream": context.stream,
                "status": context.status,
                "reason": context.reason or None,
                "duration_ms": round(duration * 1000, 3),
                "first_byte_ms": round((first_byte - context.started_at) * 1000, 3) if first_byte else None,
                "prompt_tokens": context.prompt_tokens,
                "output_tokens": context.output_tokens,
            }
        )

    def note(self, event: str, level: str = "info", **fields: str | int | float | list[str]) -> None:
        """One line about the process itself."""
        self._write({"time": self._now(), "level": level, "event": event, **fields})

    def flush(self) -> None:
        """Write what is waiting."""
        if not self._lines:
            return
        batch = memoryview(b"\n".join([*self._lines, b""]))
        self._lines.clear()
        try:
            while batch:
                batch = batch[os.write(self._descriptor, batch) :]
        except OSError:
            # Nobody reads the log any more: serving goes on without it.
            return

    def _write(self, record: dict[str, object]) -> None:
        if not self._lines:
            try:
                asyncio.get_running_loop().call_later(_BATCH_SECONDS, self.flush)
            except RuntimeError:  # before the loop runs, or after
                self._lines.append(orjson.dumps(record))
                self.flush()
                return
        self._lines.append(orjson.dumps(record))

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"


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

"""Where the output of a process goes: to a file of its own, or in a container to standard output, as JSON lines."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

MOST_LOG_BYTES = 16 * 1024 * 1024
# A longer line becomes several: whoever collects them cuts there anyway.
LONGEST_LINE_BYTES = 16 * 1024
LAST_LINES = 12


class ProcessLog(Protocol):
    """The log of one process and of its successors."""

    def open(self) -> BinaryIO:
        """What a process is to have as its output; the launcher closes its own end once the process runs."""
        ...

    def last_words(self) -> str:
        """The end of it, for an error message."""
        ...

    @property
    def place(self) -> str:
        """Where a person reads it."""
        ...


# Of the log of one process, by the name of what writes it.
Logs = Callable[[str], ProcessLog]


class FileLog:
    """Implements ProcessLog with a file that is put aside once it is long."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        return str(self._path)

    def open(self) -> BinaryIO:
        if self._path.exists() and self._path.stat().st_size > MOST_LOG_BYTES:
            self._path.replace(self._path.with_suffix(".log.1"))
        return self._path.open("ab")

    def last_words(self) -> str:
        with self._path.open("rb") as stream:
            stream.seek(max(0, self._path.stat().st_size - 8192))
            text = stream.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-LAST_LINES:])


class JsonLog:
    """Implements ProcessLog: each line goes to standard output with the time and `source`, whatever it was.

    A line that is a JSON object already keeps its fields.
    """

    place = "this container's log"

    def __init__(self, source: str) -> None:
        self._source = source
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._reading: asyncio.Task[None] | None = None

    def open(self) -> BinaryIO:
        read, write = os.pipe()
        self._reading = asyncio.create_task(self._read(read))
        return os.fdopen(write, "wb")

    def last_words(self) -> str:
        return "\n".join(self._last)

    async def _read(self, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
        )
        try:
            left = b""
            while piece := await reader.read(LONGEST_LINE_BYTES):
                *lines, left = (left + piece).split(b"\n")
                if len(left) > LONGEST_LINE_BYTES:
                    lines, left = [*lines, left], b""
                self._write(lines)
            self._write([left] if left else [])
        finally:
            transport.close()

    def _write(self, lines: list[bytes]) -> None:
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines if line.strip()]
        self._last.extend(texts)
        write_lines([as_json(text, self._source) for text in texts])


class JsonFormatter(logging.Formatter):
    """The launcher's own log as such lines."""

    def format(self, record: logging.LogRecord) -> str:
        return as_json(record.getMessage(), "launcher", level=record.levelname.lower())


def as_json(text: str, source: str, **more: str) -> str:
    """One line of a log as a JSON object; the fields of one that is an object already stay as they are."""
    try:
        fields: Any = json.loads(text) if text.startswith("{") else None
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {"message": text}
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03d}Z"
    return json.dumps({"time": now, "source": source, **more, **cast("dict[str, Any]", fields)})


def write_lines(lines: list[str]) -> None:
    """To standard output, at once and whole."""
    if lines:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

"""One child process: started with its output in its log, ended by signal, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from serving.launcher.process_log import ProcessLog

KILL_SECONDS = 10


class Child:
    """A running process. Owns its life and its log; does not decide whether it is started again."""

    def __init__(self, process: asyncio.subprocess.Process, log: ProcessLog) -> None:
        self._process = process
        self.log = log

    @classmethod
    async def start(
        cls, command: Sequence[str], *, environment: Mapping[str, str], log: ProcessLog, inherit: Sequence[int] = ()
    ) -> Child:
        """Starts `command`; it gets the file descriptors in `inherit`, an empty input, and `log` for its output."""
        # Opening for appending is one system call on a local file.
        with log.open() as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "serving.launcher.lifeline", str(os.getpid()), *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment},
                pass_fds=tuple(inherit),
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Its exit code; negative is the signal that ended it."""
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    async def stop(self, grace_seconds: float) -> None:
        """SIGTERM, then SIGKILL once the grace is over."""
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), grace_seconds)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.wait()

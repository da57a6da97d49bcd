"""A pulumi that a test starts, stops in the middle, and kills: as a crash, an operator or a machine's end does it."""

from __future__ import annotations

import signal
import subprocess
import time
from types import TracebackType

from tests.engine.checkout import Checkout

STARTS_SECONDS = 60.0


class Running:
    """`pulumi` with these arguments in the background; whatever happens, it is gone after `with`."""

    def __init__(self, checkout: Checkout, *arguments: str) -> None:
        self._checkout = checkout
        exports = checkout.run("tools/pulumi/env")
        self.process = subprocess.Popen(
            ["sh", "-c", f'{exports}\nexec pulumi "$@"', "sh", *arguments, "--stack", checkout.stack],
            cwd=checkout.folder,
            env=checkout.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.kill()

    def wait_until_it_has_the_lock(self) -> None:
        """And has stopped there, so that nothing depends on how quick it is."""
        locks = self._checkout.folder / ".slipway" / "state" / ".pulumi" / "locks"
        deadline = time.monotonic() + STARTS_SECONDS
        while not list(locks.rglob("*.json")):
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, "it takes no lock"
            time.sleep(0.01)
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> str:
        """Until its end, which has to be a good one; what it printed."""
        self.process.send_signal(signal.SIGCONT)
        printed, _ = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, printed
        return printed

    def kill(self) -> None:
        """SIGKILL, and what it had started is left to itself."""
        self.process.kill()
        self.process.communicate()

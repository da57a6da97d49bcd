"""Runs an image's entry point as a container runtime does, as far as that goes without one.

Its user, its environment, a read-only root, /tmp, /cache and /run of its own, and process 1 of a namespace; the network
is this machine's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

# What a runtime does before the entry point: $1 is the image's root, $2 where it is mounted, $3 the user; then come
# pairs of what else is mounted and where, until `--`.
MOUNTING = """
root=$1 here=$2 user=$3; shift 3
mount --bind "$root" "$here"
mount -o remount,bind,ro "$here"
for folder in tmp cache run; do mount -t tmpfs -o mode=0755,uid=${user%:*},gid=${user#*:} tmpfs "$here/$folder"; done
mount -t tmpfs -o mode=0755 tmpfs "$here/dev"
for device in null zero urandom; do : > "$here/dev/$device"; mount --bind "/dev/$device" "$here/dev/$device"; done
mount -t proc proc "$here/proc"
while [ "$1" != -- ]; do [ -e "$here$2" ] || : > "$here$2"; mount --bind "$1" "$here$2"; shift 2; done
shift
exec chroot --userspec="$user" "$here" "$@"
"""
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


@dataclass(frozen=True)
class Image:
    """A file system, and what its image says to a runtime."""

    root: Path
    config: dict[str, Any]

    def paths(self) -> Iterator[Path]:
        """Every file and folder of it; links are not followed."""
        for folder, folders, files in os.walk(self.root):
            for name in (*folders, *files):
                yield Path(folder, name)

    def files(self) -> Iterator[Path]:
        return (path for path in self.paths() if path.is_file() and not path.is_symlink())

    def bytes(self) -> int:
        return sum(path.lstat().st_size for path in self.files())

    def environment(self) -> dict[str, str]:
        return dict(variable.split("=", 1) for variable in self.config["Env"])

    def shown(self, path: Path) -> str:
        """A path as the image sees it."""
        return f"/{path.relative_to(self.root)}"


class Container:
    """One that runs; its specification is mounted where the image's command expects it."""

    def __init__(self, folder: Path, image: Image, specification: dict[str, Any], mounts: dict[str, Path]) -> None:
        folder.mkdir()
        mounted = folder / "etc"
        mounted.mkdir()
        (mounted / "launcher.json").write_text(json.dumps(specification))
        mounted.chmod(0o755)
        self._output, self.image = folder / "output", image
        here = folder / "root"
        here.mkdir()
        pairs = [str(part) for where, what in {"/etc/slipway": mounted, **mounts}.items() for part in (what, where)]
        arguments = [str(image.root), str(here), image.config["User"], *pairs, "--"]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(*NAMESPACES, "sh", "-euc", MOUNTING, "container", *arguments),
                    *(*image.config["Entrypoint"], *image.config["Cmd"]),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=image.environment() | {"PATH": os.environ["PATH"]},
            )

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def first(self) -> psutil.Process:
        """Process 1 of the container, seen from here."""
        (process,) = psutil.Process(self.process.pid).children()
        return process

    def until(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}\n{self.output()}"
            assert time.monotonic() < end, f"{what} after {seconds} s\n{self.output()}"
            time.sleep(0.1)
        return value

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """A command beside the entry point, as `docker exec` and health checks run it."""
        target = ["nsenter", "--target", str(self.first().pid), "--mount", "--pid", "--root", "--wd=/"]
        uid, _, gid = self.image.config["User"].partition(":")
        return subprocess.run(
            [*target, f"--setuid={uid}", f"--setgid={gid}", *command],
            env=self.image.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM to process 1; the status it ends with."""
        with suppress(psutil.Error):
            self.first().send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

"""One container of a pod as a process: a root of its own over this machine's, the pod's volumes at their paths, the
user and rights that its security context says, first process of its own process namespace.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

Object = Mapping[str, Any]
ISOLATED = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


@dataclass(frozen=True)
class Image:
    """What stands in for an image: files over this machine's own, its environment and its entry point. `folders` are
    further ones of this machine, by where they are in the container."""

    files: str
    entry_point: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mount:
    """A folder or a file of this machine at a path of the container."""

    source: Path
    path: str
    read_only: bool


class Container:
    """Started when made. `code` is its exit status once it has ended, as a runtime says it (128 + signal)."""

    def __init__(
        self,
        spec: Object,
        pod_security: Object,
        image: Image,
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        network: str,
        log: Path,
    ) -> None:
        entry = spec.get("command") or image.entry_point
        command = [*map(str, entry), *(_expanded(word, environment) for word in spec.get("args") or [])]
        security = {**pod_security, **spec.get("securityContext", {})}
        self._as = _as(security, {**image.environment, **environment})
        script = _script(image, mounts, security, [*self._as, *command])
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["nsenter", f"--net={network}", *ISOLATED, "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        status = self._process.poll()
        return status if status is None or status >= 0 else 128 - status

    @property
    def first(self) -> psutil.Process | None:
        """Its first process."""
        with contextlib.suppress(psutil.Error):
            return next(iter(psutil.Process(self._process.pid).children()), None)
        return None

    def stop(self) -> None:
        """Asks it to end."""
        if first := self.first:
            with contextlib.suppress(psutil.Error):
                first.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends every process in it."""
        if first := self.first:
            with contextlib.suppress(psutil.Error):
                first.kill()
        else:
            self._process.kill()
        self._process.wait()

    def run(self, command: Sequence[str], seconds: float) -> int:
        """A command in it, as `exec` probes and hooks are; its status, or 1 when it takes too long."""
        first = self.first
        if first is None:
            return 1
        inside = ["nsenter", f"--target={first.pid}", "--mount", "--net", "--pid", "--root", "--wd=/"]
        try:
            return subprocess.run([*inside, *self._as, *command], capture_output=True, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            return 1


def _as(security: Object, environment: Mapping[str, str]) -> list[str]:
    """Before a command: the user, rights and variables that it has."""
    user, group = security.get("runAsUser", 0), security.get("runAsGroup", 0)
    rights = [f"--reuid={user}", f"--regid={group}", f"--groups={security.get('fsGroup', group)}"]
    if not security.get("allowPrivilegeEscalation", True):
        rights.append("--no-new-privs")
    if "ALL" in security.get("capabilities", {}).get("drop", []):
        rights += ["--bounding-set=-all", "--inh-caps=-all"]
    variables = [f"{name}={value}" for name, value in {"PATH": os.defpath, **environment}.items()]
    return ["/usr/bin/setpriv", *rights, "/usr/bin/env", "-i", *variables]


def _script(image: Image, mounts: Sequence[Mount], security: Object, command: Sequence[str]) -> str:
    """Everything below happens in the container's own mount namespace and is gone with it."""
    lines = [
        "set -e",
        "mount -t tmpfs tmpfs /mnt",
        "mkdir /mnt/upper /mnt/work /mnt/root",
        # One layer may not be inside another.
        f"cp -a {shlex.quote(image.files)} /mnt/image",
        "mount -t overlay overlay -o lowerdir=/mnt/image:/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root",
        "mount -t proc proc /mnt/root/proc",
        "mount --rbind /dev /mnt/root/dev",
        "mount --rbind /sys /mnt/root/sys",
    ]
    # The interpreter that a virtual environment's links lead to.
    folders = {**image.folders, sys.base_prefix: sys.base_prefix}
    for path, source in folders.items():
        lines += _bound(Mount(Path(source), path, read_only=True))
    for mount in sorted(mounts, key=lambda one: one.path):
        lines += _bound(mount)
    if security.get("readOnlyRootFilesystem"):
        lines.append("mount -o remount,ro /mnt/root")
    last = ["chroot", "/mnt/root", *command]
    return "\n".join([*lines, "exec " + " ".join(map(shlex.quote, last))])


def _bound(mount: Mount) -> list[str]:
    """Where the path leads is the container's own matter: its links do not lead into this machine."""
    source = shlex.quote(str(mount.source))
    lines = [f"at=/mnt/root$(chroot /mnt/root realpath --canonicalize-missing {shlex.quote(mount.path)})"]
    if mount.source.is_dir():
        lines.append('mkdir -p "$at"')
    else:
        lines.append('mkdir -p "$(dirname "$at")" && [ -e "$at" ] || touch "$at"')
    # Folders on the way may be closed to others than root; here they are a copy of the container's own.
    lines.append('up="$at"; while up="$(dirname "$up")" && [ "$up" != /mnt ]; do [ -w "$up" ] && chmod a+x "$up"; done')
    lines.append(f'mount --bind {source} "$at"')
    if mount.read_only:
        lines.append('mount -o remount,bind,ro "$at"')
    return lines


def _expanded(word: str, environment: Mapping[str, str]) -> str:
    for name, value in environment.items():
        word = word.replace(f"$({name})", value)
    return str(word)

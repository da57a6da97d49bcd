"""The network of pods: one namespace with a bridge, each pod in a namespace of its own, nothing that outlives them.

Namespaces have no names here: each lives as long as a process in it, and its interfaces go with it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Sequence

from tests.cluster.client import eventually

BRIDGE, GATEWAY, PREFIX = "pods", "10.244.0.1", "10.244"
CLONE_NEWNET = 0x40000000
PROGRAMS = ("ip", "nsenter", "unshare", "setpriv", "chroot", "mount")
# Whoever starts these may be killed: they are to end with it.
WITH_US = ("setpriv", "--pdeathsig", "KILL")


def why_not() -> str | None:
    """Why pods cannot be run on this machine; None where they can."""
    if os.name != "posix" or os.uname().sysname != "Linux":
        return "namespaces are Linux's"
    if os.geteuid() != 0:
        return "only root makes namespaces of networks and mounts"
    if missing := [name for name in (*PROGRAMS, "nginx") if shutil.which(name, path=SEARCHED) is None]:
        return f"not installed: {', '.join(missing)}"
    overlay = "mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root"
    trial = f"mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work /mnt/root && {overlay}"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-c", f"ip link add trial type bridge && {trial}"],
        capture_output=True,
        text=True,
    )
    return None if tried.returncode == 0 else f"no namespaces or no overlay here: {tried.stderr.strip()}"


SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class PodNetwork:
    """The bridge that all pods are on, as `10.244.NODE.POD`; whatever is run `inside` is on it too."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen([*WITH_US, "unshare", "--net", "sleep", "infinity"])
        eventually(lambda: namespace_of(self._holder.pid) != namespace_of(os.getpid()), "a network namespace", 10)
        self.path = f"/proc/{self._holder.pid}/ns/net"
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "add", BRIDGE, "type", "bridge")
        self.run("ip", "address", "add", f"{GATEWAY}/16", "dev", BRIDGE)
        self.run("ip", "link", "set", BRIDGE, "up")

    def inside(self, *command: str) -> list[str]:
        """The command as it is run in the network, ended with whoever starts it."""
        return [*WITH_US, "nsenter", f"--net={self.path}", *command]

    def run(self, *command: str) -> str:
        done = subprocess.run(self.inside(*command), capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def socket(self) -> socket.socket:
        """A TCP socket of the network, for this process, which is not in it."""
        with open("/proc/thread-self/ns/net") as before, open(self.path) as there:
            _enter(there.fileno())
            try:
                return socket.socket()
            finally:
                _enter(before.fileno())

    def add_address(self, address: str) -> None:
        """Packets to it end here, not at a pod."""
        self.run("ip", "address", "replace", f"{address}/32", "dev", BRIDGE)

    def silence(self, node: int) -> None:
        """No packet leaves or reaches the pods of a node any more, and nobody is told."""
        for line in self.run("ip", "-o", "link", "show").splitlines():
            name = line.split(": ")[1].partition("@")[0]
            if name.startswith(f"n{node}p"):
                self.run("ip", "link", "set", name, "down")

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


class Sandbox:
    """The network of one pod: what keeps it while containers come and go. Made by who is in the bridge's namespace."""

    def __init__(self, node: int, number: int) -> None:
        self.address = f"{PREFIX}.{node}.{number}"
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        pid = self._holder.pid
        eventually(lambda: namespace_of(pid) != namespace_of(os.getpid()), "a network namespace", 10)
        self.path = f"/proc/{pid}/ns/net"
        outside = f"n{node}p{number}"
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _run("ip", "link", "set", outside, "master", BRIDGE, "up")
        own = ("link set lo up", f"address add {self.address}/16 dev eth0", "link set eth0 up")
        batch = "\n".join((*own, f"route add default via {GATEWAY}", ""))
        _run("nsenter", f"--net={self.path}", "ip", "-batch", "-", stdin=batch)

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


def namespace_of(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")


def _run(*command: str, stdin: str | None = None) -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def searched(name: str) -> Sequence[str]:
    """The path of a program that need not be on PATH."""
    return [shutil.which(name, path=SEARCHED) or name]

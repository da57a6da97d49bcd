"""Doctor of the platform `local`: what this machine must have before processes can serve on it."""

from __future__ import annotations

import errno
import getpass
import importlib.util
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.doctor.finding import Finding, look, missing, ok, unknown
from infra.plan.types import SitePlan
from infra.platforms.local.generation import lives
from infra.platforms.local.plan import LocalSitePlan
from infra.platforms.local.supervision import user_manager_runs

ROOT = Path(__file__).resolve().parents[3]
OLDEST_PYTHON = (3, 11)
# What the wheel of llama.cpp is compiled for on x86-64 (seen in its code, 2026-11-25); a processor without one ends it.
PROCESSOR_FLAGS = ("avx", "avx2", "bmi2", "f16c", "fma")
GIB = 2**30
# Logs, audit and the files of generations; weights are counted for themselves.
LEAST_DISK_BYTES = GIB
# Beside its weights an engine has a KV cache and buffers; assumed, as small models need it.
MEMORY_BESIDE_WEIGHTS_BYTES = GIB // 2
LINGER = Path("/var/lib/systemd/linger")
WHY = {
    errno.EADDRINUSE: "another program has it",
    errno.EADDRNOTAVAIL: "no address of this machine",
    errno.EACCES: "only root may listen there",
}


class LocalDoctor:
    """Implements `Doctor`. Looks at files, and listens at ports for a moment."""

    def before(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        """Nothing: what a process needs, it says itself when it is started, and nothing else was begun."""
        del site, plan
        return iter(())

    def findings(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        del site
        details: LocalSitePlan = plan.details
        specification = details.specification
        yield python(sys.version_info[:2])
        yield from programs(specification["engines"])
        yield processor(platform.machine(), _read(Path("/proc/cpuinfo")))
        yield memory(_read(Path("/proc/meminfo")), weights_bytes(specification["engines"]))
        yield disk(shutil.disk_usage(ROOT).free)
        yield from ports(specification["gateway"], runs_already=_runs(specification["name"]))
        yield supervisor(runs=user_manager_runs(), lingers=(LINGER / getpass.getuser()).exists())


def python(version: tuple[int, int]) -> Finding:
    """The one that this runs in, as everything here does."""
    found, oldest = ".".join(map(str, version)), ".".join(map(str, OLDEST_PYTHON))
    if version < OLDEST_PYTHON:
        return missing("Python", f"{found}, {oldest} or newer is needed", "install it, remove `.venv`, run `make up`")
    return ok("Python", found)


def programs(engines: Mapping[str, Any]) -> Iterator[Finding]:
    """What runs engines: a program on PATH, or the wheel."""
    commands: set[str] = {engine["command"][0] for engine in engines.values()}
    for command in sorted(commands):
        if found := shutil.which(command):
            yield ok(f"engine {command}", found)
        elif importlib.util.find_spec("xllamacpp"):
            yield ok(f"engine {command}", "llama.cpp of the wheel xllamacpp")
        else:
            yield missing(f"engine {command}", "neither on PATH nor as a wheel", "run `tools/python/install local`")


def processor(machine: str, cpuinfo: str) -> Finding:
    """Only x86-64 has parts that some processors lack."""
    if machine not in ("x86_64", "AMD64"):
        return ok("processor", machine)
    flags = next((line.split() for line in cpuinfo.splitlines() if line.startswith("flags")), list[str]())
    wanted = ", ".join(PROCESSOR_FLAGS)
    if not flags:
        return unknown("processor", f"{machine}; what it can do is not told here", f"it needs {wanted}")
    if lacking := [flag for flag in PROCESSOR_FLAGS if flag not in flags]:
        return missing(
            "processor",
            f"{machine} without {', '.join(lacking)}",
            "use another machine, show this virtual one more of it, or put a `llama-server` of your own on PATH",
        )
    return ok("processor", f"{machine} with {wanted}")


def weights_bytes(engines: Mapping[str, Any]) -> int | None:
    """Of all engines; None where some are yet to be fetched."""
    sizes = [_size(engine["weights"]) for engine in engines.values()]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def memory(meminfo: str, weights: int | None) -> Finding:
    """What is free, beside what engines read into it."""
    amounts = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    if "MemAvailable" not in amounts:
        return unknown("memory", "what is free is not told here", "compare it with the size of the weights")
    free = int(amounts["MemAvailable"].split()[0]) * 1024
    told = f"{free / GIB:.1f} GiB free"
    if weights is None:
        return unknown("memory", f"{told}; weights are not fetched yet", "compare it with their size at their source")
    told += f", weights take {weights / GIB:.1f}"
    if free < weights + MEMORY_BESIDE_WEIGHTS_BYTES:
        return missing("memory", told, "end other programs, or choose a smaller or more quantized model")
    return ok("memory", told)


def disk(free: int) -> Finding:
    """Of the checkout, where `.slipway` is."""
    told = f"{free / GIB:.1f} GiB free"
    if free < LEAST_DISK_BYTES:
        return missing("disk", f"{told}, {LEAST_DISK_BYTES / GIB:g} is needed for logs and the audit", "free some")
    return ok("disk", told)


def ports(gateway: Mapping[str, Any], *, runs_already: bool) -> Iterator[Finding]:
    """Whether each address can be listened at. Those of a site that runs are its own."""
    for listener in ("", "operations_", "admin_"):
        address, port, field = gateway[f"{listener}address"], gateway[f"{listener}port"], f"listen.{listener}port"
        if port is None:
            continue
        why = _cannot_listen(address, port)
        if why is None:
            yield ok(f"port {port}", f"free at {address}")
        elif why == errno.EADDRINUSE and runs_already:
            yield ok(f"port {port}", "used by this site, which runs")
        else:
            remedy = {
                errno.EADDRINUSE: f"end what listens there, or choose another `{field}`",
                errno.EADDRNOTAVAIL: "give an address of this machine: `listen.address`",
                errno.EACCES: f"choose a `{field}` of 1024 or more",
            }.get(why, f"choose another `{field}`")
            yield missing(f"port {port}", f"{address}: {WHY.get(why, 'cannot be listened at')}", remedy)


def supervisor(*, runs: bool, lingers: bool) -> Finding:
    """Who starts the launcher again when it is killed, and whether it outlives a logout."""
    if not runs:
        return look(
            "supervisor",
            "no systemd for this user: a launcher that is killed stays away until the next `make up`",
            "nothing, to try it out; else log in on a machine with systemd",
        )
    if not lingers:
        found = "systemd, which ends this user's services with the last login"
        return look("supervisor", found, "`loginctl enable-linger`")
    return ok("supervisor", "systemd, also without a login")


def _cannot_listen(address: str, port: int) -> int | None:
    """The error's number; None where it can."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As a server does: connections that ended a moment ago are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
    return None


def _runs(name: str) -> bool:
    return any(lives(folder) for folder in (ROOT / ".slipway" / "run" / name / "generations").glob("*"))


def _size(weights: Mapping[str, Any]) -> int | None:
    """Of a file that is here."""
    where = FOLDERS.get(weights["kind"])
    found = where and where(weights["location"]) / (weights["file"] or "")
    return found.stat().st_size if found and found.is_file() else None


def _of_package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    return Path(next(iter((found and found.submodule_search_locations) or [""])))


# Sources whose weights are on this machine before anything is deployed.
FOLDERS: Mapping[str, Callable[[str], Path]] = {"package": _of_package, "file": Path}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


DOCTOR = LocalDoctor()

"""Starts what is measured and what measures it, each pinned to its core, and reads what a process has used."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tools.problem import Problem

ROOT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).parent
_TICKS = os.sysconf("SC_CLK_TCK")
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
_PACKAGES = {"nginx": "nginx", "wrk": "wrk", "cc": "gcc"}


def program(name: str) -> str:
    """Where the program is. Raises Problem with the package to install."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        package = _PACKAGES.get(name, name)
        raise Problem(
            "make bench-gateway",
            f"no program `{name}` on this machine",
            "a machine with nginx (the proxy to compare with), wrk (load) and a C compiler",
            f"Install it (Debian: apt-get install {package}) and run the same command again.",
        )
    return found


def compile_tools(folder: Path) -> tuple[Path, Path]:
    """The mock engine and the streaming client, built from the sources beside this file."""
    compiler = program("cc")
    built = [folder / name for name in ("mock_engine", "stream_load")]
    for target in built:
        source = _HERE / f"{target.name}.c"
        subprocess.run([compiler, "-O2", "-Wall", "-o", target, source], check=True)
    return built[0], built[1]


def cores() -> tuple[int, int]:
    """The core of what is measured, and the core of the engine and the load."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def raise_file_limit() -> int:
    """As many descriptors as allowed: ten thousand streams need two each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Running:
    """A started process with its children."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int) -> None:
        self.name = name
        self.process = process
        self.port = port

    def cpu_seconds(self) -> float:
        """User and system time so far, of the whole tree."""
        used = 0
        for pid in self._tree():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
        return used / _TICKS

    def resident_bytes(self) -> int:
        """Memory now, of the whole tree."""
        pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._tree())
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    def _tree(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        return found


def start(
    stack: ExitStack,
    name: str,
    command: Sequence[str | Path],
    core: int,
    port: int,
    log: Path,
    python_path: Path | None = None,
) -> Running:
    """Start `command` on `core` and wait until it accepts on `port`. It ends with `stack`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(python_path or "")},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    stack.callback(_end, process)
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return Running(name, process, port)
    raise Problem(
        f"bench/gateway: {name}",
        f"it did not start: {log.read_text(errors='replace')[-500:].strip() or 'no output'}",
        "a process that listens within 60 seconds",
        f"Read {log}, mend what it says, and run the same command again.",
    )


def start_gateway(stack: ExitStack, config: Path, core: int, package: Path, python: Path) -> Running:
    """slipway's gateway from `package`, the folder with its modules, run by `python`; its log goes to a file."""
    port, operations = free_port(), free_port()
    command = [python, "-m", "serving.gateway", "--config", config, "--accept-seconds", "0"]
    command += ["--drain-seconds", "1", "--listen", f"127.0.0.1:{port}", "--operations", f"127.0.0.1:{operations}"]
    return start(stack, "slipway", command, core, port, config.parent / "gateway.log", package)


def start_nginx(stack: ExitStack, folder: Path, engine_ports: list[int], core: int) -> Running:
    """nginx as a plain proxy with one worker and kept connections."""
    port = free_port()
    text = (_HERE / "nginx.conf").read_text()
    engines = " ".join(f"server 127.0.0.1:{engine};" for engine in engine_ports)
    for name, value in (("FOLDER", str(folder)), ("LISTEN", str(port)), ("ENGINES", engines)):
        text = text.replace(f"@{name}@", value)
    file = folder / "nginx.conf"
    file.write_text(text)
    command = [program("nginx"), "-p", folder, "-c", file, "-e", folder / "nginx-error.log"]
    return start(stack, "nginx", command, core, port, folder / "nginx.log")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

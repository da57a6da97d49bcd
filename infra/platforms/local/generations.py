"""The generations of a process group on this machine: start one, watch it come up, find the living, end them all.

A generation is a launcher with its engines and gateway, in a folder of its own. A new one takes the sockets over from
the one before, so an update drops nothing; one that cannot start leaves the one before as it was. Whether a generation
lives is read from a lock that its launcher holds, never from a process number.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.platforms.local.supervision import supervised
from infra.problems import Problem, Refused

POLL_SECONDS = 0.05
KEPT_FOR_READING = 2
KILL_SECONDS = 10
# What a launcher may see of the environment: never Pulumi's or a cloud's credentials.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME", "XDG_RUNTIME_DIR")
PASSED_ON_PREFIXES = (
    *("HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_"),
    *("CUDA_", "NVIDIA_", "HIP_", "ROCR_", "LD_LIBRARY_PATH", "DYLD_", "GGML_", "OMP_"),
)
MARK = "SLIPWAY_GENERATION"


@dataclass(frozen=True, kw_only=True)
class Group:
    """A process group as it is wanted. `directory` holds its generations; `specification` is complete, secrets too."""

    directory: Path
    root: Path
    python: Path
    specification: dict[str, Any]
    huggingface_token: str
    start_seconds: int
    grace_seconds: int


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One generation that lives: its folder, its launcher's process number, and what its status file says."""

    folder: Path
    pid: int
    state: str


def start(group: Group) -> Generation:
    """A new generation that serves; the one before, if it lives, is told to retire. Raises Refused."""
    with _one_at_a_time(group.directory):
        before = _clear_unfinished(group.directory)
        folder = _prepare(group)
        launcher = _launch(group, folder, before)
        try:
            _wait_until_ready(launcher, folder, group.start_seconds)
        except BaseException:
            _kill(folder)
            raise
        _forget_old(group.directory)
        return _described(folder)


def reload(group: Group) -> None:
    """Gives the living generation another gateway configuration. Raises Refused; then the old one stays in force."""
    with _one_at_a_time(group.directory):
        current = running(group.directory)
        if current is None:
            raise Refused(str(group.directory), [_gone(group.directory)])
        path = current.folder / "specification.json"
        before = path.read_bytes()
        digest = hashlib.sha256(_write_specification(group, current.folder)).hexdigest()
        asked_at = time.time()
        os.kill(current.pid, signal.SIGHUP)
        deadline = time.monotonic() + group.start_seconds
        while time.monotonic() < deadline:
            status = _status(current.folder)
            if status.get("specification_sha256") == digest:
                return
            if status.get("problem") and status.get("at", 0) >= asked_at:
                _write_private(path, before)
                raise Refused(str(current.folder), [Problem(**status["problem"])])
            time.sleep(POLL_SECONDS)
        _write_private(path, before)
        raise Refused(str(current.folder), [_too_slow(current.folder, group.start_seconds)])


def running(directory: Path) -> Generation | None:
    """The generation that serves, or None. One that is starting or draining does not count."""
    ready = [generation for generation in living(directory) if generation.state == "ready"]
    return ready[-1] if ready else None


def living(directory: Path) -> list[Generation]:
    """Every generation whose launcher lives, oldest first."""
    return [_described(folder) for folder in _folders(directory) if _locked(folder)]


def stop(directory: Path, grace_seconds: int) -> None:
    """Ends every generation, each within the grace, and removes the folder. Nothing is left behind."""
    if not directory.exists():
        return
    with _one_at_a_time(directory):
        folders = [generation.folder for generation in living(directory)]
        for generation in living(directory):
            _signal(generation.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while any(map(_locked, folders)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        for folder in _folders(directory):
            _kill(folder)
        shutil.rmtree(directory)
    for parent in (directory.parent, directory.parent.parent):  # the stack's folder and `run`, once they are empty
        if parent.exists() and not any(parent.iterdir()):
            parent.rmdir()


def _clear_unfinished(directory: Path) -> Generation | None:
    """Ends what an interrupted start left; returns the generation that serves."""
    current = running(directory)
    for folder in _folders(directory):
        state = _status(folder).get("state")
        if not _locked(folder) or (state == "starting" and (current is None or folder != current.folder)):
            _kill(folder)
    return current


def _prepare(group: Group) -> Path:
    folder = group.directory / "generations" / f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True, mode=0o700)
        _write_specification(group, folder)
    except OSError as error:
        raise Refused(
            str(folder),
            [
                Problem(
                    where=str(folder),
                    found=(error.strerror or "an unusable folder").lower(),
                    allowed="a folder that this user can write, with room on its disk",
                    remedy="make room or correct the permissions, then run it again",
                )
            ],
        ) from None
    return folder


def _write_specification(group: Group, folder: Path) -> bytes:
    specification = {
        **group.specification,
        "base_directory": str(group.root),
        "cache_directory": str(group.root / ".slipway" / "weights"),
    }
    if group.huggingface_token:
        token = folder / "huggingface_token"
        _write_private(token, group.huggingface_token.encode())
        specification["huggingface_token_file"] = str(token)
    content = json.dumps(specification, indent=2).encode()
    _write_private(folder / "specification.json", content)
    return content


def _launch(group: Group, folder: Path, before: Generation | None) -> subprocess.Popen[bytes]:
    command = [str(group.python), "-m", "serving.launcher", str(folder / "specification.json")]
    if before is not None:
        command += ["--take-over", str(before.folder / "control.sock")]
    environment = {
        **{k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith(PASSED_ON_PREFIXES)},
        "PYTHONPATH": str(group.root / "serving_image"),
        "PYTHONUNBUFFERED": "1",
        MARK: str(folder),
    }
    unit = f"slipway-{group.specification['name'].replace('/', '-')}-{folder.name}"
    with (folder / "launcher.log").open("ab") as log:
        return subprocess.Popen(
            supervised(command, unit=unit, environment=environment, grace_seconds=group.grace_seconds),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )


def _wait_until_ready(launcher: subprocess.Popen[bytes], folder: Path, seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        code = launcher.poll()
        status = _status(folder)
        if status.get("state") == "ready":
            return
        if status.get("state") == "failed":
            raise Refused(f"the start of {folder.name}", [Problem(**status["problem"])])
        if code not in (None, 0):  # 0: it was handed to systemd, which runs it
            raise Refused(f"the start of {folder.name}", [_died(folder, code)])
        time.sleep(POLL_SECONDS)
    raise Refused(f"the start of {folder.name}", [_too_slow(folder, seconds)])


def _folders(directory: Path) -> list[Path]:
    generations = directory / "generations"
    return sorted(generations.iterdir()) if generations.is_dir() else []


def _locked(folder: Path) -> bool:
    try:
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _status(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _described(folder: Path) -> Generation:
    status = _status(folder)
    return Generation(folder=folder, pid=int(status.get("pid", 0)), state=str(status.get("state", "starting")))


def _kill(folder: Path) -> None:
    """Ends whatever of a generation still runs, at once: its launcher, and children that outlived theirs."""
    import psutil

    if _locked(folder) and (pid := int(_status(folder).get("pid", 0))):
        _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + KILL_SECONDS
        while _locked(folder) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if _locked(folder):
            _signal(pid, signal.SIGKILL)
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder):
                process.kill()
        except (psutil.Error, OSError):
            continue


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _forget_old(directory: Path) -> None:
    """Removes folders of the dead but for the last ones, whose logs may still be wanted."""
    dead = [folder for folder in _folders(directory) if not _locked(folder)]
    for folder in dead[:-KEPT_FOR_READING]:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _one_at_a_time(directory: Path) -> Generator[None]:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write_private(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    partial.replace(path)


def _died(folder: Path, code: int | None) -> Problem:
    lines = (folder / "launcher.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return Problem(
        where=str(folder),
        found=f"the launcher ended with code {code}: {' '.join(lines[-3:]) or 'without a word'}",
        allowed="a launcher that runs",
        remedy=f"read {folder / 'launcher.log'}",
    )


def _too_slow(folder: Path, seconds: int) -> Problem:
    return Problem(
        where=str(folder),
        found=f"not ready after {seconds} s; last step: {_status(folder).get('step') or 'none'}",
        allowed="ready within that time",
        remedy=f"read the logs in {folder}",
    )


def _gone(directory: Path) -> Problem:
    return Problem(
        where=str(directory),
        found="no generation that serves",
        allowed="one that serves",
        remedy="run `pulumi refresh`, then `pulumi up`: it starts again",
    )

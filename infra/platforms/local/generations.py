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
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.platforms.local.generation import (
    MARK,
    POLL_SECONDS,
    Generation,
    described,
    kill,
    lives,
    send,
    status_of,
    unit_of,
)
from infra.platforms.local.private_files import explained, make_private, write_private
from infra.platforms.local.secret_files import forget_secrets, write_secrets
from infra.platforms.local.state import in_place, state_folder
from infra.platforms.local.supervision import supervised
from infra.problems import Problem, Refused

KEPT_FOR_READING = 2
# What a launcher may see of the environment: never Pulumi's or a cloud's credentials.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME", "XDG_RUNTIME_DIR")
PASSED_ON_PREFIXES = (
    *("HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_"),
    *("CUDA_", "NVIDIA_", "HIP_", "ROCR_", "LD_LIBRARY_PATH", "DYLD_", "GGML_", "OMP_"),
)


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
    gateway_secrets: Mapping[str, str] = field(default_factory=dict[str, str])


def start(group: Group) -> Generation:
    """A new generation that serves; the one before, if it lives, is told to retire. Raises Refused."""
    with explained(group.directory), _one_at_a_time(group.directory):
        before = _clear_unfinished(group.directory)
        folder = _prepare(group)
        try:
            launcher, plain = _launch(group, folder, before)
            _wait_until_ready(launcher, plain, folder, group.start_seconds)
        except BaseException:
            kill(folder)
            raise
        _forget_old(group.directory)
        return described(folder)


def reload(group: Group) -> None:
    """Gives the living generation another gateway configuration. Raises Refused; then the old one stays in force."""
    with explained(group.directory), _one_at_a_time(group.directory):
        current = running(group.directory)
        if current is None:
            raise Refused(str(group.directory), [_gone(group.directory)])
        path = current.folder / "specification.json"
        before = path.read_bytes()
        digest = hashlib.sha256(_write_specification(group, current.folder)).hexdigest()
        asked_at = time.time()
        send(current.folder, signal.SIGHUP)
        deadline = time.monotonic() + group.start_seconds
        while time.monotonic() < deadline:
            if not lives(current.folder):
                raise Refused(str(group.directory), [_gone(group.directory)])
            status = status_of(current.folder)
            if status.get("specification_sha256") == digest:
                forget_secrets(current.folder, group.gateway_secrets)
                return
            if status.get("problem") and status.get("at", 0) >= asked_at:
                write_private(path, before)
                raise Refused(str(current.folder), [Problem(**status["problem"])])
            time.sleep(POLL_SECONDS)
        write_private(path, before)
        raise Refused(str(current.folder), [_too_slow(current.folder, group.start_seconds)])


def running(directory: Path) -> Generation | None:
    """The generation that serves, or None. One that is starting or draining does not count."""
    ready = [generation for generation in living(directory) if generation.state == "ready"]
    return ready[-1] if ready else None


def living(directory: Path) -> list[Generation]:
    """Every generation whose launcher lives, oldest first."""
    return [described(folder) for folder in _folders(directory) if lives(folder)]


def stop(directory: Path, grace_seconds: int) -> None:
    """Ends every generation, each within the grace, and removes the folder. Nothing is left behind."""
    if not directory.exists():
        return
    with _one_at_a_time(directory):
        folders = [generation.folder for generation in living(directory)]
        for folder in folders:
            send(folder, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while any(map(lives, folders)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        for folder in _folders(directory):
            kill(folder)
        shutil.rmtree(directory)
    for parent in (directory.parent, directory.parent.parent):  # the stack's folder and `run`, once they are empty
        with suppress(OSError):  # not empty
            parent.rmdir()


def _clear_unfinished(directory: Path) -> Generation | None:
    """Ends what an interrupted start left; returns the generation that serves."""
    for folder in _folders(directory):
        if not lives(folder) or described(folder).state == "starting":
            kill(folder)
    return running(directory)


def _prepare(group: Group) -> Path:
    # Sorts by age; in UTC, which no summer ends.
    folder = group.directory / "generations" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(3)}"
    make_private(folder)
    _write_specification(group, folder)
    return folder


def _write_specification(group: Group, folder: Path) -> bytes:
    specification = {
        **group.specification,
        "base_directory": str(group.root),
        "cache_directory": str(group.root / ".slipway" / "weights"),
    }
    if group.huggingface_token:
        token = folder / "huggingface_token"
        write_private(token, group.huggingface_token.encode())
        specification["huggingface_token_file"] = str(token)
    # What the gateway keeps over restarts, such as the audit: not in the generation, which is thrown away.
    state = group.root / state_folder(group.specification["name"])
    make_private(state)
    folders = {"{state}": str(state), "{secrets}": str(write_secrets(folder, group.gateway_secrets))}
    content = json.dumps(in_place(specification, folders), indent=2)
    write_private(folder / "specification.json", content.encode())
    return content.encode()


def _launch(group: Group, folder: Path, before: Generation | None) -> tuple[subprocess.Popen[bytes], bool]:
    """Its process, and whether that is the launcher itself: else it hands the launcher to systemd and ends."""
    command = [str(group.python), "-m", "serving.launcher", str(folder / "specification.json")]
    if before is not None:
        command += ["--take-over", str(before.folder / "control.sock")]
    environment = {
        **{k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith(PASSED_ON_PREFIXES)},
        "PYTHONPATH": str(group.root / "serving_image"),
        "PYTHONUNBUFFERED": "1",
        MARK: str(folder),
    }
    path = folder / "launcher.log"
    write_private(path, b"")
    rendered = supervised(
        command, unit=unit_of(folder), environment=environment, log=path, grace_seconds=group.grace_seconds
    )
    with path.open("ab") as log:
        launcher = subprocess.Popen(
            rendered,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    return launcher, rendered == command


def _wait_until_ready(launcher: subprocess.Popen[bytes], plain: bool, folder: Path, seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        code = launcher.poll()
        status = status_of(folder)
        if status.get("state") == "ready":
            return
        if status.get("state") == "failed":
            raise Refused(f"the start of {folder.name}", [Problem(**status["problem"])])
        if code is not None and (plain or code != 0):
            raise Refused(f"the start of {folder.name}", [_died(folder, code)])
        time.sleep(POLL_SECONDS)
    raise Refused(f"the start of {folder.name}", [_too_slow(folder, seconds)])


def _folders(directory: Path) -> list[Path]:
    generations = directory / "generations"
    return sorted(path for path in generations.iterdir() if path.is_dir()) if generations.is_dir() else []


def _forget_old(directory: Path) -> None:
    """Removes folders of the dead but for the last ones, whose logs may still be wanted."""
    dead = [folder for folder in _folders(directory) if not lives(folder)]
    for folder in dead[:-KEPT_FOR_READING]:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _one_at_a_time(directory: Path) -> Generator[None]:
    lock = _locked_file(directory)
    try:
        yield
    finally:
        os.close(lock)


def _locked_file(directory: Path) -> int:
    while True:
        make_private(directory)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Whoever held it may have removed the folder meanwhile, and this lock with it.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), (directory / "lock").stat()):
                return lock
        os.close(lock)


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
        found=f"not ready after {seconds} s; last step: {status_of(folder).get('step') or 'none'}",
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

"""The checkout's own state: which stacks it holds, what is up in them, and who has locked them.

Only for the file backend in .slipway/state. A backend that the user has chosen is asked through the CLI instead.
"""

import json
import os
import re
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.checkout import ROOT, VENV, write_private
from tools.problem import Problem
from tools.progress import say
from tools.pulumi.environment import HOME, STATE
from tools.stack import processes

# Bookkeeping of the engine: a stack that holds nothing else has nothing running.
_BOOKKEEPING = ("pulumi:pulumi:", "pulumi:providers:")


def project_name() -> str:
    """The project's name as Pulumi.yaml has it."""
    named = re.search(r"^name:\s*[\"']?([\w.-]+)", (ROOT / "Pulumi.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    if named is None:
        raise Problem("Pulumi.yaml", "no name", "a line `name: slipway`", "Restore it: git restore Pulumi.yaml")
    return named[1]


def state_file(stack: str) -> Path:
    """Where the file backend keeps the stack."""
    return STATE / ".pulumi" / "stacks" / project_name() / f"{stack}.json"


def stacks() -> list[str]:
    """The stacks that exist, by name."""
    names = {path.stem for path in state_file("any").parent.glob("*.json")}
    return sorted(names)


def resources_up(stack: str) -> list[str]:
    """The types of the stack's resources, bookkeeping left out; empty where nothing is up."""
    return _up(_content(state_file(stack)) or {})


def interrupted_creates(stack: str) -> list[str]:
    """The URNs whose creation was under way when the engine was killed: it is not known whether they exist."""
    pending = _deployment(stack).get("pending_operations") or []
    return [str(one["resource"]["urn"]) for one in pending if one.get("type") == "creating"]


def salt_in_state(stack: str) -> str | None:
    """The encryption salt that the stack's secrets are kept with, where the state knows it."""
    provider = _deployment(stack).get("secrets_providers") or {}
    salt = (provider.get("state") or {}).get("salt")
    return str(salt) if provider.get("type") == "passphrase" and salt else None


def repair(stack: str) -> None:
    """Put the last whole state back where the newest is damaged or gone: on a full disk Pulumi 3.259 empties it."""
    layout = STATE / ".pulumi" / "meta.yaml"
    if layout.exists() and not layout.read_text(encoding="utf-8").strip():
        write_private(layout, "version: 1\n")  # one folder of stacks per project, as any CLI that fits writes it
    newest = state_file(stack)
    # What it keeps beside each file, such as its digest: killed while it writes that, Pulumi reads neither again, and
    # does without where there is none.
    beside = newest.with_name(f"{newest.name}.attrs")
    if _content(beside) is None:
        beside.unlink(missing_ok=True)
    if _content(newest) is not None:
        return
    # One is made by every save but the first, one at the end of every change; `pulumi stack rm` removes them all.
    backups = STATE / ".pulumi" / "backups" / project_name() / stack
    older = [path for path in (newest.with_name(f"{newest.name}.bak"), *backups.glob("*.json")) if path.exists()]
    older.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    whole = next((path for path in older if _content(path) is not None), None)
    if not older:  # nothing was ever deployed
        newest.unlink(missing_ok=True)
    elif whole is None:
        raise Problem(
            where=str(newest),
            found=f"a state that is not whole, and none that is in {newest.name}.bak and {backups}",
            allowed="JSON as the Pulumi CLI writes it",
            do="Put a copy of it there, or remove these files: what this stack deployed then has to be ended by hand.",
        )
    elif newest.exists():
        write_private(newest, whole.read_text(encoding="utf-8"))
        say(f"the state of stack {stack} is not whole; the one saved before it is used")
    elif _up(_content(whole) or {}):  # removed, or renamed with its stack: then what it holds is another stack's now
        raise Problem(
            where=str(newest),
            found="no state, but copies of one",
            allowed="the state of what is deployed, or no copies either",
            do=f"If it was lost: cp '{whole}' '{newest}'\nIf this stack is not to be: rm -r '{backups}' '{newest}.bak'",
        )


def _deployment(stack: str) -> dict[str, Any]:
    return _latest(_content(state_file(stack)) or {})


def _latest(state: dict[str, Any]) -> dict[str, Any]:
    latest = (state.get("checkpoint") or {}).get("latest")
    return latest if isinstance(latest, dict) else {}


def _up(state: dict[str, Any]) -> list[str]:
    types = (str(resource.get("type", "")) for resource in _latest(state).get("resources") or [])
    return sorted(kind for kind in types if not kind.startswith(_BOOKKEEPING))


def _content(path: Path) -> dict[str, Any] | None:
    """What a state file holds; None where it is missing or not whole."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return state if isinstance(state, dict) else None


@dataclass(frozen=True)
class Lock:
    """Who holds a stack, as the lock file says; a file that cannot be read has no owner."""

    path: Path
    process: int | None
    host: str
    user: str
    since: str

    @property
    def stale(self) -> bool:
        """Whether the owner is a process of this machine that has gone."""
        if self.process is None:
            return True
        return self.host == socket.gethostname() and not _is_pulumi(self.process)


def locks(stack: str) -> list[Lock]:
    """The locks on a stack."""
    folder = STATE / ".pulumi" / "locks" / "organization" / project_name() / stack
    return [_read_lock(path) for path in sorted(folder.glob("*.json"))]


def refuse_or_find_stale(stack: str) -> bool:
    """Whether a killed pulumi has left the stack locked. Stops where a living one holds it."""
    held = locks(stack)
    for lock in held:
        if not lock.stale:
            raise Problem(
                where=f"stack {stack}",
                found=f"it is locked by {lock.user}@{lock.host}, process {lock.process}, since {lock.since}",
                allowed="one change of a stack at a time",
                do="Wait until that process ends (or end it with Ctrl-C where it runs), then run this again.",
            )
    return bool(held)


def end_orphans() -> None:
    """End the providers of this checkout whose engine was killed: they wait for ever, and nobody else ends them."""
    everything = processes.running()
    for process in everything.values():
        dynamic = process.command.startswith(f"{VENV}/bin/python ") and "-m pulumi.dynamic" in process.command
        if dynamic or f"{HOME}/plugins/" in process.command:
            leader = everything.get(process.group)  # the engine starts each plugin as the leader of a group
            engine = everything.get(leader.parent) if leader else None
            if engine is None or "pulumi" not in engine.name:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.group, signal.SIGTERM)
                    say(f"ended process {process.number}, which a killed pulumi had left behind")


def _read_lock(path: Path) -> Lock:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        process = int(content["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        return Lock(path, None, "", "", "")
    return Lock(
        path,
        process,
        str(content.get("hostname", "")),
        str(content.get("username", "")),
        str(content.get("timestamp", ""))[:19],
    )


def _is_pulumi(number: int) -> bool:
    process = processes.running().get(number)
    return process is not None and "pulumi" in process.name

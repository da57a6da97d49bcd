"""Rounds over sites, by Flower's federated averaging over TLS: each site learns its own data, all get the average.

Low-rank factors are averaged as they are, weighted by lines; the product of averages is near the average of products as
long as rounds are short. Flower's server in this process is what it calls deprecated: what it has instead wants to
build, upload and install an application, and three more processes for each site.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from tuning import adapters, invitations
from tuning.flower import quiet
from tuning.settings import Tuning, Unusable

HERE = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - who reaches it is said by whoever names sites elsewhere
_POLL_SECONDS = 0.2
_END_SECONDS = 10
_GONE_SECONDS = 2
_UNUSABLE = 2


def train(model: Any, tuning: Tuning, base: str, told: Callable[[str], None]) -> dict[str, Any]:
    """Puts into the model what the sites have learned, and says what each says of itself, what all their data is, and
    after which round it went on. Raises Unusable."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        quiet(folder)
        from flwr.server import ServerConfig, start_server

        from tuning import training
        from tuning.averaging import Rounds

        bind, port, folder_of_all = _listens(tuning, folder)
        names = [HERE, *([_host(tuning.elsewhere.address)] if tuning.elsewhere else [])]

        def invited(site: str, file: Path) -> None:
            if site not in tuning.sites:
                told(f"site {site} is invited by {file}: bring it there as you bring a key")

        us = invitations.identity(folder_of_all, names, tuning.all_sites, invited)
        tuning.checkpoints.mkdir(parents=True, exist_ok=True)
        rounds = Rounds(us.keys, base, tuning, adapters.taken(model), told)
        started: dict[str, subprocess.Popen[bytes]] = {}
        ending = threading.Lock()

        def fail(why: str) -> NoReturn:
            """Threads of the server wait for sites that are no more: nothing but this ends them."""
            with ending:
                ended = [line for site, process in started.items() if (line := _ended(site, process.poll()))]
                _stop(started)
                shutil.rmtree(folder, ignore_errors=True)
                told(f"tuning: {'; '.join(ended) or why}: nothing is made")
                os._exit(_UNUSABLE)

        def watch() -> None:
            while not rounds.over.wait(_POLL_SECONDS):
                if any(process.poll() is not None for process in started.values()):
                    fail("a site ended")

        try:
            for site, place in tuning.sites.items():
                dialled = f"{HERE if bind == _EVERYWHERE else bind}:{port}"
                own = tuning.checkpoints / "sites" / f"{site}-{training.fingerprint(tuning, base, site)[:8]}"
                started[site] = _start(own, site, place, tuning, dialled, folder_of_all / f"{site}.json")
            threading.Thread(target=watch, daemon=True).start()
            if tuning.elsewhere:
                told(f"listening at {bind}:{port} for {', '.join(tuning.elsewhere.sites)}")
            start_server(
                server_address=f"{bind}:{port}",
                server=rounds,
                config=ServerConfig(num_rounds=tuning.rounds),
                certificates=(us.authority, us.certificate, us.private),
            )
        except Exception as why:
            # Flower says in many ways that a site is gone; who it was is known as soon as its process has ended.
            rounds.over.wait(_GONE_SECONDS)
            fail(f"{type(why).__name__}: {why}" if not isinstance(why, Unusable) else str(why))
        finally:
            rounds.over.set()
            _stop(started)
        adapters.put(model, rounds.averaged)
        said = {site: rounds.said[site] for site in sorted(rounds.said)}
        return {"data_digest": rounds.digest, "sites": said, "resumed_after_round": rounds.resumed_after}


def _listens(tuning: Tuning, scratch: Path) -> tuple[str, int, Path]:
    """Where, and the folder of invitations: for sites here, of this tuning alone."""
    if tuning.elsewhere is None:
        return HERE, _free_port(), scratch / "invitations"
    try:
        port = int(tuning.elsewhere.address.rpartition(":")[2])
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((tuning.elsewhere.bind, port))
    except (OSError, ValueError) as why:
        raise Unusable(
            f"elsewhere: {tuning.elsewhere.bind} and the port of {tuning.elsewhere.address}: {why}"
        ) from None
    return tuning.elsewhere.bind, port, tuning.elsewhere.invitations


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _start(
    folder: Path, site: str, place: Path, tuning: Tuning, address: str, invitation: Path
) -> subprocess.Popen[bytes]:
    """A process that is told of its own data and of no other."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = {
        "base": str(tuning.base),
        "data": str(place),
        "result": str(folder / "none"),
        "checkpoints": str(folder),
        "checkpoint_steps": tuning.checkpoint_steps,
        "threads": max(1, tuning.threads // len(tuning.sites)) if tuning.threads else 0,
        "privacy": dataclasses.asdict(tuning.privacy) if tuning.privacy else None,
        "joins": {"coordinator": address, "site": site, "invitation": str(invitation)},
    }
    config = folder / "tuning.json"
    config.write_text(json.dumps(told), encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-m", "tuning.site", str(config), "--name", site]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


def _ended(site: str, status: int | None) -> str | None:
    if status is None:
        return None
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return f"site {site} {how} before the last round was over"


def _stop(started: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for process in started.values():
        if process.poll() is None:
            process.terminate()
    for process in started.values():
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])

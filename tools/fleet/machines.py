"""Reaches the machine that deploys a site: this one, a folder of it, or another by ssh. All are told the same order."""

import shlex
import subprocess
from pathlib import Path

from infra.topologies.rollout import Host
from tools.checkout import ROOT, private_folder
from tools.fleet.order import Order, Outcome, answered, written

# Nobody is there to type a password; a machine that went away is found out within a minute.
SSH = (
    *("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"),
)
# What a command's log keeps is private: an engine may have said something of its prompts.
PROGRAM = "tools/fleet/site"


def command(host: Host | None, verb: str) -> list[str]:
    """What is run here so that the order is carried out there."""
    if host is None or host.ssh is None:
        return [f"{ROOT if host is None else host.folder}/{PROGRAM}", verb]
    return [*SSH, "--", host.ssh, f"exec {shlex.quote(f'{host.folder}/{PROGRAM}')} {verb}"]


def tell(host: Host | None, verb: str, order: Order, logs: Path) -> Outcome:
    """Have it done. What the machine prints is appended to the site's log, which an outcome that is bad names."""
    log = private_folder(logs) / f"{order.site}.log"
    with open(log, "a", encoding="utf-8") as errors:
        try:
            done = subprocess.run(
                command(host, verb), input=written(order), stdout=subprocess.PIPE, stderr=errors, text=True, check=False
            )
        except OSError as error:
            return Outcome(good=False, said=f"cannot be told: {error.strerror}: {error.filename}")
    outcome = answered(done.stdout)
    if outcome is None:
        said = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        return Outcome(good=False, said=f"ended with status {done.returncode}: {said.strip()[:200]}")
    return outcome

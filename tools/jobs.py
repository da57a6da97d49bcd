"""Jobs that a cluster of a stack runs, started now and followed to their end: which there are, and their records."""

import argparse
import os
import subprocess
import sys
from typing import Any

from tools.checkout import PYTHON, ROOT

# For a command to say in the job that nobody follows it any more.
_ENDS_SECONDS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where jobs are started, where the stack file leaves it open."""
    parser.add_argument("--site", help="whose cluster runs it (default: the first that does)")
    parser.add_argument("--context", help="that cluster, as your kubeconfig names it, where the stack file does not")


def pods(plan: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """By each site that a stack deploys and whose cluster has a job of that name (`chat/load`, `chat/refresh`), that
    job's pod in the plan."""
    found: dict[str, dict[str, Any]] = {}
    for site in plan["deployed_sites"]:
        serving = plan["sites"][site]["details"].get("serving") or {}
        for pod in (*serving.get("trials", ()), *serving.get("makings", ())):
            config = pod["config"]
            if name in (config.get("making"), config.get("about", {}).get("trial")):
                found[site] = pod
    return found


def record(stack: str, name: str, site: str | None, context: str | None) -> str:
    """What the job leaves as last words. Where it leaves nothing, that has been told already, and this ends."""
    further = [*(["--site", site] if site else []), *(["--context", context] if context else [])]
    command = [PYTHON, "-m", "infra", "job", name, "--stack", stack, *further]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, text=True) as job:
        try:
            said, _ = job.communicate()
        except BaseException:
            # It leaves the job in a state in which the next command takes it up.
            job.terminate()
            job.wait(_ENDS_SECONDS)
            raise
    if job.returncode:
        sys.exit(job.returncode)
    return said.strip()

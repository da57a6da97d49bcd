"""A well-kept tool that asks a model: installed from its own lock into .tools, with a client's key in its
environment and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.checkout import ROOT
from tools.problem import Problem
from tools.python.alone import Alone

MEBIBYTES = 700


def ask(name: str, tool: dict[str, Any], *, url: str, key: str, folder: Path, ca_file: str | None = None) -> None:
    """Runs it; its results are in the folder then. It is told who vouches for the endpoint as libraries are."""
    python = install(name, tool["name"])
    words = [word.replace("{url}", url).replace("{folder}", str(folder)) for word in tool["command"][1:]]
    trusted = {"SSL_CERT_FILE": ca_file, "REQUESTS_CA_BUNDLE": ca_file} if ca_file else {}
    caches = {"HF_HOME": str(folder / "cache")}
    environment = {**os.environ, **caches, **tool["environment"], **trusted, tool["key_environment"]: key}
    # By its Python: the program itself names the place where it was installed, which a checkout that is moved is not.
    command = [str(python), str(python.with_name(tool["command"][0])), *words]
    try:
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=sys.stderr, timeout=tool["seconds"], check=False
        )
    except subprocess.TimeoutExpired:
        _unwell(name, tool, f"not ended after {tool['seconds']} s")
    else:
        if ended.returncode:
            _unwell(name, tool, f"it ended with status {ended.returncode}")


def install(trial: str, tool: str) -> Path:
    """Its Python, in an environment of its own; installed if needed."""
    alone = Alone(name=tool, holds=tool, mebibytes=MEBIBYTES, usually="60 s")
    if not alone.lock.exists():
        raise Problem(
            where=f"trial {trial}, on this machine",
            found=f"{tool}, of which nothing is installed here: its package brings PyTorch with CUDA, 5 GB",
            allowed="a tool with a lock in requirements/",
            do="Let a cluster run it: declare it in the stack of one; or try others (ONLY=…).",
        )
    return alone.install()


def _unwell(name: str, tool: dict[str, Any], found: str) -> None:
    raise Problem(
        where=f"trial {name}, {tool['name']}",
        found=found,
        allowed="a run that leaves its results",
        do="Read what it said above: a task that needs data from the internet needs `downloads: true`.",
    )

"""Versions that a cluster of the stack makes on its own machines: their jobs are started, their records kept."""

import argparse
from pathlib import Path

from tools import jobs
from tools.making.here import Making, recorded
from tools.making.told import registered_there
from tools.progress import say


def made(options: argparse.Namespace, name: str, one: Making, pods: dict[str, Making]) -> bool:
    """Starts one job, of a pod by site, and tells what came of it; whether the version is registered, or as its data
    is."""
    say(f"{name}: {'; '.join(one['holds'])}")
    said = jobs.record(options.stack, name, options.site, options.context)

    def tells(found: Making, kept: Path) -> str:
        return registered_there(name, one, found, kept, pods[options.site or next(iter(pods))])

    return recorded(options.stack, name, said, tells)

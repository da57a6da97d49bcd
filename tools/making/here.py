"""Versions that models of a stack declare, made on this machine: which are wanted, and how each is made and judged."""

import argparse
import fnmatch
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools import jobs, records
from tools.checkout import LOCAL, PYTHON, ROOT, private_folder, write_private
from tools.deploy.asked import asked
from tools.making.told import registered, removed
from tools.problem import Problem
from tools.progress import say

MODELS = LOCAL / "models"
CACHE = LOCAL / "weights"
NOT_MADE = 2

Making = dict[str, Any]


def wanted(
    arguments: list[str], program: str, sort: str, kind: str, says: str | None
) -> tuple[argparse.Namespace, Making, dict[str, Making]]:
    """What was asked (`stack`), the stack's plan, and the makings of one sort of the models that a pattern names, by
    name; those that neither a cluster of the stack nor this machine does are refused. `kind` is what this machine
    does."""
    parser = argparse.ArgumentParser(prog=program, description=says)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--only", default="*", help="of which models (default: all)")
    jobs.add_arguments(parser)
    options = parser.parse_args(arguments)
    plan = planned(options.stack)
    found = _named(plan, options.stack, sort, options.only)
    for name, one in found.items():
        if not jobs.pods(plan, name):
            _made_here(name, one, kind)
    return options, plan, found


def planned(stack: str) -> dict[str, Any]:
    """The stack's plan."""
    return dict(asked(PYTHON, "-m", "infra", "plan", "--stack", stack, "--format", "json"))


def _named(plan: dict[str, Any], stack: str, sort: str, only: str) -> dict[str, dict[str, Any]]:
    """The makings of one sort whose models a pattern names."""
    declared = {name: one for name, one in plan["makings"].items() if one["sort"] == sort}
    wanted = {name: one for name, one in declared.items() if fnmatch.fnmatchcase(one["model"], only)}
    if not wanted:
        raise Problem(
            where=f"stack {stack}, `{sort}` of its models",
            found=f"none of a model that {only} names" if declared else "none",
            allowed=f"models that have one: {', '.join(one['model'] for one in declared.values())}"
            if declared
            else f"`{sort}` of a model",
            do="Name one of those." if declared else "Add one; docs/configuration.md has every field.",
        )
    return wanted


def _made_here(name: str, one: dict[str, Any], kind: str) -> None:
    """Refuses what a cluster does, of a stack that has none with it; `kind` is what this machine does."""
    if one["work"]["image"]:
        raise Problem(
            where=f"{name}, kind {one['kind']}",
            found="a job of a cluster, and no cluster of this stack that has it",
            allowed=f"kinds that this machine runs: {kind}; or a site that is a cluster, whose keys the stack makes",
            do="Declare it in the stack of such a cluster.",
        )


def made(stack: str, name: str, one: dict[str, Any], plan: dict[str, Any], make: dict[str, Any]) -> bool:
    """Makes one version by `make`, and tells what came of it; whether it is registered."""
    with tempfile.TemporaryDirectory() as folder:
        config, record = Path(folder, "making.json"), Path(folder, "record.json")
        write_private(config, json.dumps(_told(name, one, _engine(name, one, plan), make, served())))
        say(f"{name}: {'; '.join(one['holds'])}")
        command = [PYTHON, "-m", "serving.making", str(config), "--record", str(record)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "serving_image")}
        status = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False).returncode
        if status not in (0, 1):
            raise Problem(
                where=f"making {name}",
                found=f"it ended with status {status}" + (", and made nothing" if status == NOT_MADE else ""),
                allowed="weights that are on this machine or can be fetched, and an engine that runs here",
                do="Read what it said above.",
            )
        said = record.read_text(encoding="utf-8").strip()
    return recorded(
        stack, name, said, lambda found, kept: registered(name, found, MODELS / one["model"] / found["version"], kept)
    )


def recorded(stack: str, name: str, said: str, tells: Callable[[Making, Path], str]) -> bool:
    """Keeps the record that a making left, wherever it ran, and tells what came of it, by `tells` where the version is
    registered; whether it is, or there was nothing to make: that is said in words."""
    if not said.startswith("{"):
        say(f"{name}: {said}")
        return True
    try:
        found: Making = json.loads(said)
    except ValueError:
        raise Problem(
            where=f"{name}, the last words of its job",
            found=f"{said[:200]} …",
            allowed="a whole record",
            do="Look for the version where the stack keeps its versions, or run this again.",
        ) from None
    kept = records.keep(stack, name, found)
    print(tells(found, kept) if found["registered"] else removed(name, found, kept))
    return bool(found["registered"])


def served() -> list[str]:
    """Digests of what any stack of this checkout serves: their versions are in the same folders."""
    listed = asked(PYTHON, "-m", "infra", "models", "--format", "json")["served"]
    return sorted({one["sha256"] for one in listed if one["sha256"]})


def _told(
    name: str, one: dict[str, Any], engine: dict[str, Any], make: dict[str, Any], served: list[str]
) -> dict[str, Any]:
    """What `serving.making` reads."""
    return {
        "model": one["model"],
        "version": one["version"],
        "folder": str(private_folder(MODELS / one["model"])),
        "making": name,
        "make": make,
        "served": {
            "kind": "started",
            "engine": engine,
            "base_directory": str(ROOT),
            "cache_directory": str(private_folder(CACHE)),
        },
        "evaluation": one["evaluation"],
        "trial": one["trial"],
        "at_most_loss_percent": one["at_most_loss_percent"],
        "at_least_same_percent": one["work"]["at_least_same_percent"],
        "at_least_right_percent": one["work"]["at_least_right_percent"],
        "card": one["card"],
        "keep_versions": one["keep_versions"],
        "in_use": sorted({*one["in_use"], *served}),
    }


def _engine(name: str, one: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """As the plan has it for a site that is this machine."""
    for site in plan["sites"].values():
        engines = (site["details"].get("specification") or {}).get("engines") or {}
        if one["model"] in engines:
            return dict(engines[one["model"]])
    raise Problem(
        where=f"making {name}",
        found="a model that no site of this machine serves",
        allowed="a model of a site with `platform: {kind: local}`: its engine is started here to judge the result",
        do="Declare it in a stack of this machine too, with the same source, and run it there.",
    )

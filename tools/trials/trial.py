"""Runs the trials that a stack declares: evaluations and load tests, with a client's key.

The stack has to be up. What a cluster of it has as a job is started there, and its record fetched; everything else asks
from here, through the endpoint. Every record is kept, so that the next one can be compared.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tools import jobs
from tools.checkout import PYTHON, ROOT, write_private
from tools.deploy.asked import asked
from tools.problem import Problem, run
from tools.progress import say
from tools.stack.announce import certificate, outputs, reached
from tools.stack.up import prepare
from tools.trials.picture import picture
from tools.trials.records import keep, previous, written
from tools.trials.tool import ask

NOTHING_TRIED = 2


def main(arguments: list[str]) -> int:
    """Every trial, or those that a pattern names; the status says whether all passed."""
    parser = argparse.ArgumentParser(prog="tools/trials/trial", description=__doc__)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--only", default="*", help="which ones, such as chat/load or 'chat/*' (default: all)")
    parser.add_argument("--from-here", action="store_true", help="ask through the endpoint, also what a cluster would")
    jobs.add_arguments(parser)
    options = parser.parse_args(arguments)
    plan = asked(PYTHON, "-m", "infra", "plan", "--stack", options.stack, "--format", "json")
    wanted = {name: one for name, one in plan["trials"].items() if fnmatch.fnmatchcase(name, options.only)}
    if not wanted:
        raise Problem(
            where=f"stack {options.stack}, its trials",
            found=f"none that {options.only} names" if plan["trials"] else "none",
            allowed=f"one of: {', '.join(plan['trials'])}"
            if plan["trials"]
            else "`evaluations` or `load_test` of a model",
            do="Name one of those." if plan["trials"] else "Add one; docs/configuration.md has every field.",
        )
    on_clusters = {name for name in wanted if not options.from_here and jobs.pods(plan, name)}
    known = outputs(prepare(), options.stack) if wanted.keys() - on_clusters else {}
    passed: list[bool] = []
    for name, one in wanted.items():
        say(f"{name}: {'; '.join(one['holds'])}")
        found = _there(name, options) if name in on_clusters else _here(options.stack, name, one, known)
        passed.append(_kept(options.stack, name, found, plan["models"][one["model"]].get("performance")))
    return 0 if all(passed) else 1


def _there(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The record of the cluster's own job."""
    said = jobs.record(options.stack, name, options.site, options.context)
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        raise Problem(
            where=f"trial {name}, the last words of its job",
            found=said[:1000] or "nothing",
            allowed="the record of a trial",
            do="Deploy the stack with images of this version, then run this again.",
        ) from None
    return found


def _here(stack: str, name: str, trial: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The record of asking from this machine."""
    with tempfile.TemporaryDirectory() as folder:
        at, key, results = place(stack, known), key_of(stack, trial["client"], known), Path(folder, "results")
        if trial["tool"]:
            results.mkdir()
            ask(name, trial["tool"], key=key, folder=results, **at)
        config, record = Path(folder, "trial.json"), Path(folder, "record.json")
        write_private(Path(folder, "key"), key)
        told: dict[str, Any] = {
            **at,
            "model": trial["model"],
            "key_file": str(Path(folder, "key")),
            "trial": trial["trial"],
            "about": trial["about"],
            **({"results": str(results)} if trial["tool"] else {}),
        }
        write_private(config, json.dumps(told))
        command = [PYTHON, "-m", "serving.trials", str(config), "--record", str(record)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "serving_image")}
        status = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False).returncode
        if not record.exists():
            raise Problem(
                where=f"trial {name}",
                found="nobody answers" if status == NOTHING_TRIED else f"it ended with status {status}",
                allowed="a stack that is up and answers this client",
                do="Read what it said above; `make doctor` and docs/runbooks.md say more.",
            )
        return dict(json.loads(record.read_text(encoding="utf-8")))


def _kept(stack: str, name: str, found: dict[str, Any], usual: dict[str, Any] | None) -> bool:
    """Keeps and tells a record, wherever it is from; whether all that had to hold did."""
    estimate = None
    if found["kind"] == "load":
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder, "record.json")
            write_private(record, json.dumps(found))
            estimate = beside(stack, record)
    # Better than none: that of as many usual requests as one replica runs at once.
    estimate = estimate or usual
    before = previous(stack, name, found["about"]["version"])
    kept = keep(stack, name, found, estimate)
    if found["kind"] == "load":
        kept.picture.write_text(picture(kept.record), encoding="utf-8")
    print(written(name, kept, before))
    return bool(found["passed"])


def beside(stack: str, record: Path, *further: str) -> dict[str, Any] | None:
    """What the plan estimates of one replica at the load that a record has measured; None where it says nothing. What
    was measured is not lost for want of it."""
    command = (PYTHON, "-m", "infra", "calibrate", "--stack", stack, "--record", str(record), "--format", "json")
    try:
        return asked(*command, *further)["estimate"]
    except Problem as problem:
        found = next((line for line in problem.found.splitlines() if " found " in line), problem.found)
        say(f"no estimate of this very load: {found.split('found', 1)[-1].strip()}")
        return None


def place(stack: str, known: dict[str, Any]) -> dict[str, Any]:
    """Where the stack is asked from here, and what vouches for it."""
    endpoint = str(known.get("endpoint") or "")
    if not endpoint:
        raise Problem(
            where=f"stack {stack}, its outputs",
            found="no endpoint",
            allowed="a stack that is up",
            do=f"Deploy it first: make up STACK={stack}",
        )
    file = certificate(known, endpoint)
    return {"url": reached(endpoint), **({"ca_file": str(file)} if file else {})}


def key_of(stack: str, client: str, known: dict[str, Any]) -> str:
    """A client's, of a stack that makes it."""
    keys = {name: key for name, key in (known.get("client_keys") or {}).items() if isinstance(key, str)}
    if client not in keys:
        raise Problem(
            where=f"stack {stack}, output client_keys",
            found=f"no key of client {client}",
            allowed=f"one of: {', '.join(sorted(keys)) or 'none'}; keys that are given are known by their hashes only",
            do="Let a client ask whose key the stack makes: the trial's field `client`.",
        )
    return keys[client]


if __name__ == "__main__":
    run(main)

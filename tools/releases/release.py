"""`python -m infra release` with what its judge of this machine asks candidates with: a place and clients' keys.

Keys are outputs of the stack. They are in files of this user alone, for as long as it judges.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tools.checkout import PYTHON, ROOT, write_private
from tools.deploy.asked import asked
from tools.problem import run
from tools.stack.announce import outputs
from tools.stack.up import prepare
from tools.trials.trial import key_of, place


def main(arguments: list[str]) -> int:
    """Judges unless something else is to be done. Its status is the command's."""
    parser = argparse.ArgumentParser(prog="tools/releases/release", description=__doc__, allow_abbrev=False)
    parser.add_argument("--stack", default="dev")
    options, further = parser.parse_known_args(arguments)
    command = [PYTHON, "-m", "infra", "release", "--stack", options.stack, *(further or ["--judge"])]
    with tempfile.TemporaryDirectory() as folder:
        if "--judge" in command:
            command += told(options.stack, Path(folder))
        return subprocess.run(command, cwd=ROOT, env={**os.environ}, check=False).returncode


def told(stack: str, folder: Path) -> list[str]:
    """What the command is told where a judge of this machine asks something; nothing elsewhere."""
    plan = asked(PYTHON, "-m", "infra", "plan", "--stack", stack, "--format", "json")
    clients = asking(plan)
    if not clients:
        return []
    known = outputs(prepare(), stack)
    keys: dict[str, str] = {}
    for number, client in enumerate(clients):
        file = folder / f"key-{number}"
        write_private(file, key_of(stack, client, known))
        keys[client] = str(file)
    write_private(folder / "asking.json", json.dumps({**place(stack, known), "key_files": keys}))
    return ["--asking", str(folder / "asking.json")]


def asking(plan: dict[str, Any]) -> list[str]:
    """The clients as whom candidates are asked from here: a cluster's judge has their keys."""
    found: set[str] = set()
    for name in plan["deployed_sites"]:
        gateway = plan["sites"][name]["details"].get("specification", {}).get("gateway", {})
        for model in gateway.get("config", {}).get("models", {}).values():
            evaluation = model.get("release", {}).get("evaluation")
            if evaluation is not None:
                found.add(plan["trials"][evaluation]["client"])
    return sorted(found)


if __name__ == "__main__":
    run(main)

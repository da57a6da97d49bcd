"""Prints, for the stack file, what the last load test of a model has measured, beside what the plan had estimated."""

import argparse
import os
import subprocess
from pathlib import Path

from tools import records
from tools.checkout import PYTHON, ROOT
from tools.problem import Problem, run
from tools.stack.up import prepare


def main(arguments: list[str]) -> int:
    """The newest record of that load test, or a file."""
    parser = argparse.ArgumentParser(prog="tools/trials/calibrate", description=__doc__)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--only", help="whose record, such as chat/load")
    parser.add_argument("--record", type=Path, help="a record that is not in .slipway/records")
    parser.add_argument("--replicas", help="how many replicas there were, where the plan has a range")
    options = parser.parse_args(arguments)
    record = options.record or newest(options.stack, options.only).relative_to(ROOT)
    prepare()
    command = [PYTHON, "-m", "infra", "calibrate", "--stack", options.stack, "--record", str(record)]
    command += ["--replicas", options.replicas] if options.replicas else []
    return subprocess.run(command, cwd=ROOT, env={**os.environ}, check=False).returncode


def newest(stack: str, name: str | None) -> Path:
    """The last record of a trial. Raises Problem."""
    folder = records.RECORDS / stack
    kept = sorted(str(found.parent.relative_to(folder)) for found in folder.glob("*/*/*.json"))
    known = [one for one in dict.fromkeys(kept) if one.endswith("/load")]
    if name is None and len(known) == 1:
        name = known[0]
    if name not in known:
        raise Problem(
            where=f"stack {stack}, its records",
            found=f"none of {name}" if name else ("several load tests" if known else "none of a load test"),
            allowed=f"one of: {', '.join(known)}" if known else "a record that `make trial` has made",
            do="Name one of those: ONLY=MODEL/load" if known else f"Run it first: make trial STACK={stack}",
        )
    return max((folder / name).glob("*.json"))


if __name__ == "__main__":
    run(main)

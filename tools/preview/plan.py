"""Plans every stack that a pull request changes against its base, and writes what a reviewer should read."""

import argparse
import json
import re
import subprocess
from pathlib import Path

from tools.checkout import PYTHON, ROOT
from tools.preview.changed import changed_stacks
from tools.preview.github import append
from tools.preview.message import fenced
from tools.problem import run


def main(arguments: list[str]) -> int:
    """0: all can be deployed; 1: some cannot (budget, policy, a wrong file), which the written text says."""
    parser = argparse.ArgumentParser(prog="tools/preview/plan", description=__doc__)
    parser.add_argument("--base", required=True, help="what it is compared with, such as origin/main")
    parser.add_argument("--output", required=True, type=Path, help="where the Markdown goes")
    options = parser.parse_args(arguments)
    wanted, gone = changed_stacks(options.base)
    planned = {stack: _planned(stack, options.base) for stack in wanted}
    refused = [stack for stack, (_, good) in planned.items() if not good]
    options.output.write_text(
        "\n\n".join(
            [
                _heading(wanted, refused),
                *(
                    f"`{stack}`: its file is gone. Before it is merged: `pulumi destroy --stack {stack}`."
                    for stack in gone
                ),
                *(text for text, _ in planned.values()),
            ]
        )
        + "\n",
        encoding="utf-8",
    )
    append("GITHUB_OUTPUT", f"stacks={json.dumps([stack for stack in wanted if stack not in refused])}")
    return 1 if refused else 0


def _heading(wanted: list[str], refused: list[str]) -> str:
    if not wanted:
        return "## Plan\n\nNo stack changes."
    verdict = f"**{len(refused)} of {len(wanted)} cannot be deployed**" if refused else "All can be deployed"
    return f"## Plan\n\n{verdict}: {', '.join(f'`{stack}`' for stack in refused or wanted)}."


def _planned(stack: str, base: str) -> tuple[str, bool]:
    """What to read of one stack, and whether it can be deployed."""
    ran = _infra(stack, "json", base)
    if ran.returncode == 0:
        changes = json.loads(ran.stdout)["changes"]
        if changes["nothing"] and not changes["not_compared"]:
            return f"`{stack}`: nothing changes.", True
        ran = _infra(stack, "markdown", base)
    if ran.returncode == 0:
        return _folded(stack, ran.stdout.strip()), True
    said = ran.stderr.strip() or f"the plan ended with status {ran.returncode} and said nothing"
    return f"### `{stack}` cannot be deployed\n\n{fenced(said)}", False


def _folded(stack: str, text: str) -> str:
    """What changes, open; all of the plan, folded: it begins with the next heading that is no higher."""
    parts = re.split(r"\n+(?=#{1,3} )", text, maxsplit=1)
    if len(parts) == 1:
        return text
    return f"{parts[0]}\n\n<details><summary>All of the plan of {stack}</summary>\n\n{parts[1]}\n\n</details>"


def _infra(stack: str, form: str, base: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "infra", "plan", "--stack", stack, "--format", form]
    return subprocess.run([*command, f"--against={base}"], cwd=ROOT, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    run(main)

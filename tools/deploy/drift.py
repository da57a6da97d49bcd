"""Says what of a stack is no longer as it was deployed. Nothing is changed, neither there nor in the state."""

import argparse
from pathlib import Path

from tools.preview.github import append
from tools.preview.message import fenced
from tools.preview.preview import its_end, previewed
from tools.problem import Problem, run

LONGEST_SECONDS = 1800
# What `--expect-no-changes` says when there are some; its status is that of every failure.
_CHANGES = "no changes were expected"


def main(arguments: list[str]) -> int:
    """0: everything is as it was deployed. 1: something is not, and FILE says what. A failure is neither."""
    parser = argparse.ArgumentParser(prog="tools/deploy/drift", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--output", required=True, type=Path, help="where the Markdown goes")
    options = parser.parse_args(arguments)
    status, said = previewed(options.stack, "--refresh", "--expect-no-changes", seconds=LONGEST_SECONDS)
    if status and _CHANGES not in said:
        raise Problem(
            where=f"pulumi preview of stack {options.stack}",
            found=said[-2000:] or f"status {status}",
            allowed="a preview that ends",
            do="Run it by hand and mend what it says: nothing is known about drift now.",
        )
    append("GITHUB_OUTPUT", f"drifted={'true' if status else 'false'}")
    if not status:
        print(f"{options.stack} is as it was deployed")
        return 0
    text = f"## `{options.stack}` is not as it was deployed\n\n{fenced(its_end(said))}\n"
    options.output.write_text(text, encoding="utf-8")
    print(text)
    return 1


if __name__ == "__main__":
    run(main)

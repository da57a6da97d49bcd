"""Runs `pulumi preview` for one stack and writes what it said, whatever its end."""

import argparse
from pathlib import Path

from tools.preview.message import fenced
from tools.preview.preview import its_end, previewed
from tools.problem import run

LONGEST_SECONDS = 1200


def main(arguments: list[str]) -> int:
    """The status of `pulumi preview`."""
    parser = argparse.ArgumentParser(prog="tools/preview/cloud", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--output", required=True, type=Path, help="where the Markdown goes")
    options = parser.parse_args(arguments)
    status, said = previewed(options.stack, seconds=LONGEST_SECONDS)
    options.output.write_text(_section(options.stack, status, its_end(said)), encoding="utf-8")
    return status


def _section(stack: str, status: int, text: str) -> str:
    verdict = "as the cloud sees it" if status == 0 else f"failed with status {status}"
    folded = f"<details><summary>All it said</summary>\n\n{fenced(text or 'nothing')}\n\n</details>"
    return f"## `pulumi preview` of `{stack}`: {verdict}\n\n{folded}\n"


if __name__ == "__main__":
    run(main)

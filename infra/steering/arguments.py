"""The command line of `python -m infra release`: what a person may do to a release."""

from __future__ import annotations

import argparse
from pathlib import Path

ACTIONS = {
    "promote": "to the next step now, also from a rolled back or paused one",
    "abort": "back to nothing for the new version",
    "pause": "no further step; it is still rolled back where it must be",
    "resume": "go on judging",
    "restart": "from the beginning, such as after the new version was mended",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command line."""
    parser.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    parser.add_argument("--site", help="one site (default: all that the stack deploys)")
    parser.add_argument("--model", help="one model (default: all that are being released)")
    what = parser.add_mutually_exclusive_group()
    for action, says in ACTIONS.items():
        what.add_argument(f"--{action}", dest="action", action="store_const", const=action, help=says)
    what.add_argument(
        "--judge",
        dest="action",
        action="store_const",
        const="judge",
        help="on this machine: judge until all is decided (0 done, 1 rolled back); clusters do it themselves",
    )
    parser.add_argument(
        "--asking",
        type=Path,
        metavar="FILE",
        help="with --judge: where and with whose keys candidates are asked; `make release` writes it",
    )
    parser.add_argument(
        "--format",
        choices=("text", "html", "svg"),
        default="text",
        help="text; html or svg draw how it went: shares, both versions, the test (default: text)",
    )
    parser.add_argument("--context", help="the cluster, as your kubeconfig names it, where the stack file does not")

"""The command line of `python -m infra job`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command line."""
    parser.add_argument("name", help="a trial (chat/load), an optimisation or a refresh (chat/refresh) of the stack")
    parser.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    parser.add_argument("--site", help="where (default: the first site that has it)")
    parser.add_argument("--context", help="the cluster, as your kubeconfig names it, where the stack file does not")

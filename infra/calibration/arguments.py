"""The command line of `python -m infra calibrate`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command line."""
    parser.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    parser.add_argument("--record", type=Path, required=True, help="the record of a load test, as JSON")
    parser.add_argument("--replicas", type=int, help="how many replicas there were, where the plan has a range")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text or json (default: text)")

"""The command line of `python -m infra usage`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command line."""
    parser.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml (default: dev)")
    parser.add_argument(
        "--audit", type=Path, required=True, help="an audit's folder, a segment or an exported rows.jsonl"
    )
    parser.add_argument("--by", choices=("day", "month"), default="day", help="day or month (default: day)")
    parser.add_argument("--format", choices=("text", "csv", "html", "json"), default="text", help="default: text")
    parser.add_argument(
        "--private", metavar="EPSILON", help="totals of all clients with noise, and nothing of a single one"
    )
    parser.add_argument(
        "--most-requests", type=int, metavar="N", help="with --private: what a client counts for at most"
    )
    parser.add_argument("--most-tokens", type=int, metavar="N", help="with --private: what a client counts for at most")

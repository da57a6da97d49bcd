"""`python -m infra usage`: prints it; 1 where rows are missing, changed or unreadable, which are named on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from infra.chosen_site import site_in_file
from infra.config import StackConfig
from infra.load import load_file
from infra.problems import Problem, Refused
from infra.usage.advice import LEAST_HOURS, advice, loads
from infra.usage.private import Bounds, private_totals
from infra.usage.report import FORMATS, Usage
from infra.usage.rows import Reading, files_of, read
from infra.usage.totals import HOUR, Totals

MOST_EPSILON = 20


def run(options: argparse.Namespace, root: Path) -> int:
    """Reads, sums, prints. Raises Refused."""
    path = root / f"Pulumi.{options.stack}.yaml"
    bounds = _bounds(options)
    config = load_file(path)
    usage = of_audit(config, options.stack, site_in_file(path), options.audit, options.by, bounds)
    print(FORMATS[options.format](usage))
    for problem in usage.reading.problems:
        print(f"\n{problem.text()}", file=sys.stderr)
    if usage.reading.more_problems:
        print(f"\nand {usage.reading.more_problems} more", file=sys.stderr)
    return 1 if usage.reading.problems else 0


def of_audit(
    config: StackConfig, stack: str, site: str | None, audit: Path, by: str, bounds: Bounds | None = None
) -> Usage:
    """What was used, by an audit. Raises Refused."""
    reading = Reading()
    prices = {name: model.price for name, model in config.every_model.items() if model.price}
    totals = Totals(by=by, prices=prices)
    try:
        totals.count(read(files_of(audit), reading))
    except OSError as error:
        problem = Problem(
            where=f"{error.filename or audit}",
            found=(error.strerror or "cannot be read").lower(),
            allowed="files that this user can read",
            remedy="copy the audit to where it can be read, or run this as its owner",
        )
        raise Refused("the command", [problem]) from None
    budgets = {
        name: client.dollars_per_month
        for name, client in config.clients.items()
        if client.dollars_per_month is not None
    }
    if bounds is not None:
        private = tuple(private_totals(totals.sums, bounds))
        return Usage(stack=stack, totals=totals, reading=reading, budgets=budgets, private=private, bounds=bounds)
    hours = len({hour for _, hour in totals.hours})
    measured = loads(totals, reading.first, reading.last)
    enough = bool(reading.first) and (_days(reading) >= LEAST_HOURS / 24)
    return Usage(
        stack=stack,
        totals=totals,
        reading=reading,
        budgets=budgets,
        loads=measured,
        advice=tuple(advice(config, stack, site, measured)) if enough else (),
        advice_note="" if enough else f"none: less than a day was measured ({hours} hours with requests)",
    )


def _days(reading: Reading) -> float:
    from datetime import datetime

    first, last = (datetime.fromisoformat(f"{text[:HOUR]}:00:00+00:00") for text in (reading.first, reading.last))
    return (last - first).total_seconds() / 86_400


def _bounds(options: argparse.Namespace) -> Bounds | None:
    if options.private is None:
        return None
    problems = [*_problems(options)]
    if problems:
        raise Refused("the command", problems)
    return Bounds(
        epsilon=Fraction(options.private), most_requests=options.most_requests, most_tokens=options.most_tokens
    )


def _problems(options: argparse.Namespace) -> Iterator[Problem]:
    try:
        good = 0 < Fraction(options.private) <= MOST_EPSILON
    except (ValueError, ZeroDivisionError):
        good = False
    if not good:
        yield Problem(
            where="--private",
            found=f"`{options.private}`",
            allowed=f"a number above 0, at most {MOST_EPSILON}: the smaller, the more noise",
            remedy="write 1 for a usual choice, 0.1 for a strict one",
        )
    for name in ("most_requests", "most_tokens"):
        value: int | None = getattr(options, name)
        if value is None or not 1 <= value <= 10**12:
            yield Problem(
                where=f"--{name.replace('_', '-')}",
                found="nothing" if value is None else f"{value}",
                allowed="a whole number from 1 to 10^12",
                remedy="write what a busy client uses in one period; say it before you look",
            )

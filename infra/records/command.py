"""`python -m infra records`: prints them; 1 where files are no records, which are named on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from infra.config import StackConfig
from infra.load import load_file
from infra.plan.build import build_plan
from infra.problems import Problem, Refused
from infra.records.calibrated import Calibrated, calibrated
from infra.records.compared import by_name, pictures
from infra.records.reading import LOAD, MAKING, RECORDS, Record, read
from infra.records.sections import sections
from infra.report.headline import Figure
from infra.report.html_page import page
from infra.report.text import section_lines
from infra.report.words import count

LEAD = "What was tried of its models and made of them, on this machine."
FOOT = "From `.slipway/records`, the cards of versions and the stack file; nothing was asked of anybody."

# What is not drawn is in the tables.
MOST_PICTURES = 30


@dataclass(frozen=True, kw_only=True)
class Found:
    """Everything of a report. `planned` are estimates beside load tests, by their names."""

    stack: str
    config: StackConfig
    records: tuple[Record, ...]
    planned: Mapping[str, Calibrated]


def run(root: Path, stack: str, form: str) -> int:
    """Reads, prints. Raises Refused where there is nothing."""
    config = load_file(root / f"Pulumi.{stack}.yaml")
    there = read(root, stack)
    if not there.records:
        nothing = Problem(
            where=f"stack {stack}, {RECORDS / stack}",
            found="no record",
            allowed="what `make trial`, `make optimise` or `make refresh` leaves there",
            remedy=f"run one of them first: `make up STACK={stack}`, then `make trial STACK={stack}`",
        )
        raise Refused("the command", [nothing, *there.problems])
    loads = by_name([one for one in there.records if one.kind == LOAD])
    replicas = {name: model.replicas for name, model in build_plan(config, stack).models.items()} if loads else {}
    sure = {name: one.min for name, one in replicas.items() if one.min == one.max and one.min > 0}
    planned = {
        name: calibrated(name, found, config.models.get(found[0].model), sure.get(found[0].model))
        for name, found in loads.items()
    }
    print(FORMATS[form](Found(stack=stack, config=config, records=there.records, planned=planned)))
    for problem in there.problems:
        print(f"\n{problem.text()}", file=sys.stderr)
    return 1 if there.problems else 0


def _text(found: Found) -> str:
    lines = [f"stack {found.stack}: {count(found.records, 'record')}"]
    for section in sections(found.records, found.planned):
        lines += section_lines(section)
    return "\n".join(lines)


def _json(found: Found) -> str:
    records = [{"name": one.name, "file": one.file, "version_name": one.version, **one.data} for one in found.records]
    return json.dumps({"stack": found.stack, "records": records}, indent=2)


def _html(found: Found) -> str:
    made = [one for one in found.records if one.kind == MAKING]
    loads = [one for one in found.records if one.kind == LOAD]
    trials = [one for one in found.records if one.kind not in (LOAD, MAKING)]
    figures = [
        Figure(label=label, value=f"{sum(one.passed for one in of)} of {len(of)}", detail=detail)
        for label, of, detail in (
            ("evaluations", trials, "passed"),
            ("versions made", made, "good enough, and registered"),
            ("load tests", loads, "passed"),
        )
        if of
    ]
    figures.append(Figure(label="last record", value=found.records[-1].at[:10]))
    return page(
        "records", found.stack, LEAD, figures, sections(found.records, found.planned), FOOT,
        charts=islice(pictures(found.config, found.records, found.planned), MOST_PICTURES),
    )  # fmt: skip


FORMATS: Mapping[str, Callable[[Found], str]] = {"text": _text, "json": _json, "html": _html}

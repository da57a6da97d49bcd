"""`python -m infra evidence`: what shows that a stack's controls hold; 1 where one does not."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from infra.chosen_site import site_in_file
from infra.governance.checks import governed
from infra.governance.evidence import Evidence, Row, Shown, evidence
from infra.governance.facts import Stack
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.layout import abilities_of, every_site
from infra.policy.rule import resource
from infra.render.stack import registrations
from infra.report.headline import Figure
from infra.report.html_page import page
from infra.report.markdown import section_body
from infra.report.section import Section, Table
from infra.report.text import section_lines
from infra.report.words import count, some

MOST_NAMED = 3
NOTE = "rules are held to what the stack registers, now; tests are those of the project. It is no legal advice."


def run(path: Path, stack: str, form: str) -> int:
    """Prints it."""
    # What the program logs is for who deploys it; the plan says the same.
    logging.getLogger().addHandler(logging.NullHandler())
    found = of_file(path, stack)
    print(FORMATS[form](found))
    return 0 if all(row.holds for row in found.rows) else 1


def of_file(path: Path, stack: str) -> Evidence:
    """The evidence of the stack in a file. Raises Refused."""
    config = governed(load_file(path))
    seen = registrations(path, stack)
    plan = build_plan(config, stack, site=site_in_file(path))
    known = Stack(config=config, abilities=abilities_of(every_site(config)), plan=plan)
    return evidence(known, [resource(one) for one in seen])


def sections(found: Evidence) -> Iterator[Section]:
    """An overview, then each control with what makes it so."""
    yield Section(
        name="controls",
        title="Controls",
        note=NOTE,
        tables=(
            Table(
                header=("control", "law", "holds", "resources", "shown by"),
                rows=[(row.control, row.law, _verdict(row), str(_resources(row)), _by(row)) for row in found.rows],
            ),
        ),
    )
    for row in found.rows:
        yield Section(
            name=row.control.replace(" ", "-"),
            title=row.control.capitalize(),
            note=row.says,
            tables=(
                Table(header=("resources", "shown by"), rows=[line for shown in row.shown for line in _shown(shown)]),
            )
            if row.shown
            else (),
            lines=(*row.facts, *(f"BROKEN  {one}" for one in row.broken)),
        )


def _verdict(row: Row) -> str:
    if not row.shown:
        return "nothing shows it"
    return "yes" if row.holds else f"broken: {count(row.broken, 'finding')}"


def _resources(row: Row) -> int:
    return len({name for shown in row.shown for name in shown.resources})


def _by(row: Row) -> str:
    rules = {name for shown in row.shown for name in shown.rules}
    tests = {name for shown in row.shown for name in shown.tests}
    said = [count(rules, "rule")] if rules else []
    return ", ".join([*said, *([count(tests, "test")] if tests else [])])


def _shown(shown: Shown) -> Iterator[tuple[str, str]]:
    """What shows it has a line each; resources stand at the first."""
    names = [name.rpartition(":")[2].replace(" ", " `") + "`" for name in shown.resources]
    by = [*(f"rule `{name}`" for name in shown.rules), *(f"test `{test}`" for test in shown.tests)]
    yield from zip([some(names, MOST_NAMED), *[""] * (len(by) - 1)], by, strict=True)


def _headline(found: Evidence) -> str:
    held = sum(row.holds for row in found.rows)
    return f"profile {found.profile}: {held} of {count(found.rows, 'control')} shown, over {found.resources} resources"


def _text(found: Evidence) -> str:
    lines = [f"stack {found.stack}, {_headline(found)}"]
    for section in sections(found):
        lines += section_lines(section)
    return "\n".join(lines)


def _markdown(found: Evidence) -> str:
    blocks = [f"### Evidence of `{found.stack}`: {_headline(found)}"]
    for section in sections(found):
        blocks += [f"#### {section.title}", *section_body(section, 1000)]
    return "\n\n".join(blocks)


def _html(found: Evidence) -> str:
    held = sum(row.holds for row in found.rows)
    figures = (
        Figure(label="profile", value=found.profile),
        Figure(label="controls shown", value=f"{held} of {len(found.rows)}"),
        Figure(label="resources", value=str(found.resources)),
        Figure(label="findings", value=str(sum(len(row.broken) for row in found.rows)) or "none"),
    )
    lead = "Each control, the resources that make it so, and what shows it."
    return page("evidence", found.stack, lead, figures, sections(found), NOTE.capitalize())


FORMATS: Mapping[str, Callable[[Evidence], str]] = {
    "text": _text,
    "json": lambda found: json.dumps(found.data, indent=2),
    "markdown": _markdown,
    "html": _html,
}

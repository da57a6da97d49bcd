"""`python -m infra models`: what every stack file serves, where the same model is another version elsewhere, and what
versions are registered on this machine."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from infra.making.versions import Version, versions
from infra.models_served import Served, drift, served
from infra.report.section import Section, Table
from infra.report.text import section_lines


def run(root: Path, form: str) -> int:
    """Prints it. A model may differ on purpose, as where it is tried first: that is shown, and no failure."""
    found = served(sorted(root.glob("Pulumi.*.yaml")))
    registered = versions(root, ((one.stack, one.sha256) for one in found if one.sha256))
    if form == "json":
        known = {"registered": [asdict(one) for one in registered]}
        print(json.dumps({"served": [asdict(one) for one in found], "drift": drift(found), **known}, indent=2))
        return 0
    sections = [_served(found), *([_registered(registered)] if registered else [])]
    if form == "html":
        from infra.models_page import models_page

        print(models_page(found, registered, drift(found), sections))
        return 0
    print("\n".join(line for one in sections for line in section_lines(one)).strip())
    return 0


def _served(found: list[Served]) -> Section:
    """One row each, and what differs."""
    differing, stacks = drift(found), Counter(one.model for one in found)
    header = ("stack", "model", "engine", "weights", "version", "licence", "stored as", "elsewhere")
    rows = [
        (
            *(one.stack, one.model, one.engine, one.source, one.version),
            (one.license or "not known") + (", gated" if one.gated else ""),
            one.quantization or "not known",
            "differs" if one.model in differing else "the same" if stacks[one.model] > 1 else "only here",
        )
        for one in found
    ]
    lines = tuple(
        f"{model} differs: " + "; ".join(f"{version} in {', '.join(stacks)}" for version, stacks in of.items())
        for model, of in differing.items()
    )
    return Section(name="served", title="Models", tables=(Table(header=header, rows=rows),), lines=lines)


def _registered(found: list[Version]) -> Section:
    """One row each, for who looks for the one to serve."""
    header = ("model", "version", "stored as", "MiB", "right answers", "of the original", "made by", "at", "served in")
    rows = [
        (
            *(one.model, one.version, one.quantization or "not known", f"{one.mebibytes:g}"),
            *(_percent(one.right_percent), _percent(one.original_right_percent)),
            *(one.made_by or "not known", one.path, ", ".join(one.served_in) or "none"),
        )
        for one in found
    ]
    note = "on this machine, with a card beside the weights"
    return Section(name="registered", title="Registered versions", note=note, tables=(Table(header=header, rows=rows),))


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{value:g} %"

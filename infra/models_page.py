"""What stacks serve and this machine has as a page: from what each version was made, by what, and how good it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from infra.making.versions import Version
from infra.models_served import Served
from infra.report.headline import Figure
from infra.report.html_page import page
from infra.report.pictures.family import Member, families
from infra.report.section import Section, Table
from infra.report.words import some

LEAD = "What every stack file serves, what that was made from, and what versions this machine has."
FOOT = "From stack files, the catalogue and cards beside weights. The same for programs: `--format json`"
_DIGITS, _MOST_STACKS = 12, 6


def models_page(
    found: Sequence[Served],
    registered: Sequence[Version],
    differing: Mapping[str, Mapping[str, Sequence[str]]],
    sections: Iterable[Section],
) -> str:
    """A whole document."""
    kept = sum(one.right_percent is not None for one in registered)
    figures = (
        Figure(label="stacks", value=str(len({one.stack for one in found}))),
        Figure(label="models", value=str(len(found)), detail="one of each stack"),
        Figure(label="not the same everywhere", value=", ".join(differing) or "none"),
        Figure(label="versions on this machine", value=str(len(registered)), detail=f"{kept} evaluated"),
        Figure(label="licences", value=some(sorted({one.license or "not known" for one in found}), 3)),
    )
    return page("models", "Models", LEAD, figures, [*sections, _cards(found, registered)], FOOT,
                families([*members(found, registered)]))  # fmt: skip


def members(found: Sequence[Served], registered: Sequence[Version]) -> Iterator[Member]:
    """Every version once, with who serves it; what it was made from by that version where one is known."""
    served: dict[str, list[Served]] = {}
    for one in found:
        served.setdefault(one.sha256 or one.revision or one.source, []).append(one)
    known: dict[str, Version] = {one.sha256 or one.path: one for one in registered}
    # Of a name alone, the version that is served by that name.
    by_name: dict[str, str] = {}
    for version, of in served.items():
        by_name.setdefault(of[0].source, version)
    for version, of in served.items():
        if version not in known:
            parent, _, parent_version = (of[0].parent or "").partition(" at ")
            stored = sorted({one.quantization for one in of if one.quantization})
            yield Member(
                version=version,
                name=_short(of[0].source),
                parent=parent_version or by_name.get(parent, parent) or None,
                parent_name=_short(parent),
                details=(
                    " · ".join((version[:_DIGITS], *stored)),
                    "in " + some(sorted({one.stack for one in of}), _MOST_STACKS),
                    *([of[0].evaluated] if of[0].evaluated else []),
                ),
            )
    for version, one in known.items():
        in_stacks = f"in {some(one.served_in, _MOST_STACKS)}" if one.served_in else "on this machine"
        yield Member(
            version=version,
            name=f"{one.model}: {one.version}",
            parent=one.parent_version or one.parent,
            parent_name=_short(one.parent or ""),
            details=(
                " · ".join(filter(None, (version[:_DIGITS], one.quantization, f"{one.mebibytes:g} MiB"))),
                in_stacks,
                *_evaluated(one),
            ),
            taught=one.trained_on is not None,
        )


def _evaluated(one: Version) -> Iterator[str]:
    if one.right_percent is not None:
        before = "" if one.original_right_percent is None else f", was {one.original_right_percent:g} %"
        yield f"{one.evaluation or 'evaluated'}: {one.right_percent:g} %{before}"


def _short(source: str) -> str:
    """A file's name says more than where it is."""
    path = PurePosixPath(source)
    return path.name if path.suffix == ".gguf" else source


def _cards(found: Sequence[Served], registered: Sequence[Version]) -> Section:
    """What the catalogue knows, who wrote the stack file, and cards of this machine, as far as anybody says."""
    said = [
        *((f"{one.stack}: {one.model}", one.parent, one.made_by, one.trained_on, one.evaluated) for one in found),
        *(
            (f"{one.model}: {one.version}", _short(one.parent or ""), one.made_by, one.trained_on,
             next(_evaluated(one), None))
            for one in registered
        ),
    ]  # fmt: skip
    rows = [(row[0], *(_brief(value or "-") for value in row[1:])) for row in said if any(row[1:])]
    header = ("model", "made from", "by", "on", "evaluated")
    tables = (Table(header=header, rows=rows),) if rows else ()
    lines = () if rows else ("nobody says how any of them was made: `card` of a model",)
    return Section(name="cards", title="How they were made", tables=tables, lines=lines)


def _brief(value: str) -> str:
    """Digests as short as they are everywhere else."""
    return re.sub(r"\b[0-9a-f]{40,64}\b", lambda found: found[0][:_DIGITS], value)

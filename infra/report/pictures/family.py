"""Families of versions: what was made from what. From left to right on a wide page, indented on a narrow one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infra.report.pictures.svg import Picture, arrow, rect, text

MOST_MEMBERS = 24
_WIDE, _NARROW = 1040.0, 360.0
_LINE, _ABOVE, _BELOW, _GAP, _BETWEEN, _INDENT = 17.0, 23.0, 12.0, 12.0, 40.0, 18.0
_MOST_BOX = 330.0


@dataclass(frozen=True, kw_only=True)
class Member:
    """One version. `parent` is another's version, or a name alone: then it is drawn as somebody from elsewhere, by
    `parent_name`. `taught` is one that has learned, other than one that was stored otherwise."""

    version: str
    name: str
    parent: str | None
    parent_name: str
    details: tuple[str, ...]
    taught: bool = False


@dataclass(frozen=True, kw_only=True)
class _Placed:
    member: Member
    depth: int
    row: float
    parent: int | None


def families(members: Sequence[Member]) -> Iterator[Picture]:
    """The same, wide and narrow; nothing where there is nobody."""
    whole = [*members, *_elsewhere(members)]
    if not whole:
        return
    listed = [*_ordered(whole)][:MOST_MEMBERS]
    more = len(whole) - len(listed)
    for kind, width in (("wide", _WIDE), ("narrow", _NARROW)):
        yield _picture(listed, kind, width, more)


def _elsewhere(members: Sequence[Member]) -> Iterator[Member]:
    """Parents of whom nothing but the name is known."""
    known = {one.version for one in members}
    for one in members:
        if one.parent is not None and one.parent not in known:
            known.add(one.parent)
            yield Member(
                version=one.parent, name=one.parent_name, parent=None, parent_name="", details=("not served here",)
            )


def _ordered(members: Sequence[Member]) -> Iterator[tuple[Member, int]]:
    """Each with its generation, right after who it was made from. One that is its own ancestor comes from nowhere."""
    done: set[str] = set()

    def below(one: Member, depth: int) -> Iterator[tuple[Member, int]]:
        if one.version in done:
            return
        done.add(one.version)
        yield one, depth
        for child in members:
            if child.parent == one.version:
                yield from below(child, depth + 1)

    for one in members:
        if one.parent is None:
            yield from below(one, 0)
    for one in members:
        yield from below(one, 0)


def _picture(listed: Sequence[tuple[Member, int]], kind: str, width: float, more: int) -> Picture:
    wide = kind == "wide"
    deepest = max(depth for _, depth in listed)
    step = min(_MOST_BOX + _BETWEEN, (width + _BETWEEN) / (deepest + 1)) if wide else _INDENT
    height = _ABOVE + _BELOW + _LINE * max(len(one.details) for one, _ in listed)
    body: list[str] = []
    at: dict[str, tuple[float, float]] = {}
    top, before = 1.0, -1
    for one, depth in listed:
        # The first child stands beside its parent.
        if before >= 0 and not (wide and depth > before):
            top += height + _GAP
        x, room = 1 + depth * step, (step - _BETWEEN if wide else width - 2 - depth * step)
        body += _box(one, x, top, room, height)
        if one.parent in at:
            body.append(_way(at[one.parent], (x, top), step - _BETWEEN, height, wide))
        at[one.version], before = (x, top), depth
    bottom = top + height
    if more:
        body.append(text(1, bottom + 22, f"and {more} more, listed below", "quiet"))
        bottom += 26
    names = {one.version: one.name for one, _ in listed}
    told = "; ".join(
        f"{one.name}"
        + (f", made from {names[one.parent]}" if one.parent in names else "")
        + f": {', '.join(one.details)}"
        for one, _ in listed
    )
    return Picture(
        title="What was made from what",
        description=told,
        width=width,
        height=bottom + 2,
        body="".join(body),
        kind=kind,
    )


def _box(one: Member, x: float, top: float, room: float, height: float) -> Iterator[str]:
    yield rect(x, top, room, height, "box model" if one.taught else "box", radius=8)
    yield text(x + 14, top + _ABOVE, one.name, "strong", width=room - 28)
    for index, detail in enumerate(one.details, 1):
        yield text(x + 14, top + _ABOVE + index * _LINE, detail, "quiet small", width=room - 22)


def _way(parent: tuple[float, float], child: tuple[float, float], room: float, height: float, wide: bool) -> str:
    """From the parent's right side, or from below it, to the child's left."""
    (from_x, from_y), (to_x, to_y) = parent, child
    middle = to_y + height / 2
    if wide:
        start, bend = (from_x + room, from_y + height / 2), to_x - _BETWEEN / 2
        return arrow([start, (bend, start[1]), (bend, middle), (to_x, middle)], "")
    return arrow([(from_x + 7, from_y + height), (from_x + 7, middle), (to_x, middle)], "")

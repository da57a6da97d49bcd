"""A plan as plain data, read without trust: one of an older version lacks keys, and a file may hold anything.

Where the gateway's file, the node pools and the drain ladder lie inside a site is its platform's affair, so they are
known by their shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

Data = Mapping[str, Any]
Plain = str | int | float | bool | None
NOTHING: Data = {}
_GATEWAY_FILE = {"clients", "models", "limits"}
# How deep inside a site's details either may lie.
_DEPTH = 5
_DRAIN_LADDER = {"guaranteed", "gateway_grace_seconds", "node_grace_seconds"}


def is_plan(value: Any) -> bool:
    """Whether this is what `python -m infra plan --format json` prints."""
    return (
        isinstance(value, dict)
        and isinstance(at(value, "stack"), str)
        and all(isinstance(at(value, key), dict) for key in ("sites", "models"))
    )


def at(value: Any, *path: str) -> Any:
    """What is there, or None."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = cast(dict[str, Any], value).get(key)
    return value


def mapping(value: Any, *path: str) -> Data:
    """The map there, or an empty one."""
    found = at(value, *path)
    return cast(Data, found) if isinstance(found, dict) else NOTHING


def sequence(value: Any, *path: str) -> Sequence[Any]:
    """The list there, or an empty one."""
    found = at(value, *path)
    return cast(list[Any], found) if isinstance(found, list) else ()


def text(value: Any, *path: str) -> str | None:
    """The text there, or None."""
    found = at(value, *path)
    return found if isinstance(found, str) else None


def number(value: Any, *path: str) -> float | None:
    """The number there, or None; an infinite one is none."""
    found = at(value, *path)
    return found if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found) else None


def whole(value: Any, *path: str) -> int:
    """The number there, or 0."""
    return int(number(value, *path) or 0)


def texts(value: Any, *path: str) -> tuple[str, ...]:
    """The texts of the list there."""
    return tuple(item for item in sequence(value, *path) if isinstance(item, str))


def span(value: Any, *path: str) -> str | None:
    """`{min: 2, max: 8}` as `2 to 8`."""
    least, most = number(value, *path, "min"), number(value, *path, "max")
    if least is None or most is None:
        return None
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def presented(value: Any) -> Plain:
    """A value for one cell of a table."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list):
        return ", ".join(str(presented(item)) for item in cast(list[Any], value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {presented(inner)}" for key, inner in cast(dict[str, Any], value).items())
    return str(value)


def different_leaves(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Plain, Plain]]:
    """What both have and is not the same, by dotted path: a key that only one of two versions knows is no change."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = cast(dict[str, Any], before), cast(dict[str, Any], after)
        for key in old:
            if key in new:
                yield from different_leaves(old[key], new[key], f"{path}.{key}".removeprefix("."))
    else:
        yield path, presented(before), presented(after)


def gateway_file(site: Any) -> Data:
    """What the gateways of a site are configured with."""
    return _of_shape(mapping(site, "details"), _GATEWAY_FILE)


def ladder(site: Any) -> Data:
    """How long each layer of a site may take to end."""
    return _of_shape(mapping(site), _DRAIN_LADDER)


def node_pools(site: Any) -> dict[str, Data]:
    """The node pools of a site by name; none where machines are not the plan's."""
    listed = sequence(site, "node_pools") or [*mapping(site, "details", "pools").values()]
    return {name: mapping(pool) for pool in listed if (name := text(pool, "name")) is not None}


def _of_shape(value: Any, keys: set[str]) -> Data:
    """The outermost map with these keys. Engines are many and hold neither, so nobody looks inside them."""
    level = [mapping(value)]
    for _ in range(_DEPTH):
        for here in level:
            if keys <= here.keys():
                return here
        level = [mapping(inner) for here in level for key, inner in here.items() if key != "engines"]
    return NOTHING

"""The base of every configuration struct, in a file of its own so that features and `config` can both import it."""

from __future__ import annotations

import re

import msgspec

# What may stand in a metric label, a log line and a JSON string without quoting. `unknown` and `other` are the labels
# of what has no name and of the rest.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown fields are refused: a misspelt limit must not silently be no limit."""


# What msgspec says without repeating anything of the file: types, bounds and names of ours, and places by number.
_SAFE = re.compile(
    r"(Expected `|Object missing required field `|JSON is malformed: |Input data was truncated|Invalid RFC3339 )"
)
_PLACE = re.compile(r" - at `(\$[^`]*)`$")


def path_shown(path: str) -> str:
    """A file's path for a message. Who writes the secret itself where its file belongs must not read it in a log."""
    return path if path.startswith("/") else "a path that does not begin with / (not shown)"


def without_values(text: str) -> str:
    """A decoder's message as far as nothing in it comes from the file. A key may stand in the place of any value, and
    of a field's name too; the place is enough for whoever has the file."""
    place = _PLACE.search(text)
    where = f" at `{place[1]}`" if place else ""
    if text.startswith("Object contains unknown field"):
        return f"an unknown field, not shown,{where}" if where else "an unknown field, not shown"
    if _SAFE.match(text):
        return text.replace("\n", " ")
    return f"a value that is not one of those allowed, not shown{where and ','}{where}"


def problem(where: str, found: str, allowed: str, remedy: str) -> str:
    """One line about one problem of a configuration file, in four parts."""
    return f"{where}: found {found}; allowed is {allowed}. {remedy}"

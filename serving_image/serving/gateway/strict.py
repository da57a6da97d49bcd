"""The base of every configuration struct, in a file of its own so that features and `config` can both import it."""

from __future__ import annotations

import re

import msgspec

# What may stand in a metric label, a log line and a JSON string without quoting. `unknown` and `other` are the labels
# of what has no name and of the rest.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown fields are refused: a misspelt limit must not silently be no limit."""


def problem(where: str, found: str, allowed: str, remedy: str) -> str:
    """One line about one problem of a configuration file, in four parts."""
    return f"{where}: found {found}; allowed is {allowed}. {remedy}"

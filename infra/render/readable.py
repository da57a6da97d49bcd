"""YAML that people read: a text of several lines is written as lines."""

from __future__ import annotations

from typing import Any

import yaml


class Readable(yaml.SafeDumper):
    """Writes a file's content as lines."""


def _as_lines(dumper: Any, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, _as_lines)

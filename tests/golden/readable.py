"""YAML for golden files: a text of several lines is written as lines."""

from __future__ import annotations

import yaml


class Readable(yaml.SafeDumper):
    """Writes a file's content as lines."""


Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)

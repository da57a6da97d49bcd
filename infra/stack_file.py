"""Reads a stack file (Pulumi.<stack>.yaml) without Pulumi: YAML 1.2 values, the line of each, what is wrong.

Pulumi's own reader follows YAML 1.2 for plain words (`no` is text), PyYAML's loaders follow 1.1 (`no` is false), so
values are made here from PyYAML's nodes. Nothing is executed, nothing recurses without bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from infra.problems import Problem, Refused

# Keys are text, items of a list are numbered from 0.
KeyPath = tuple[str | int, ...]

_NULL = re.compile(r"^(~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_NOT_FINITE = re.compile(r"^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")
_MOST_DEPTH = 64
_MOST_NODES = 50_000
# Python refuses to convert longer digit strings; no field here needs a twentieth of it.
_MOST_DIGITS = 400
# The parser's own words for what it saw.
_JARGON = {
    "'<scalar>'": "text",
    "'<stream end>'": "the end of the file",
    "unexpected end of stream": "the end of the file",
    "'<block mapping start>'": "an indented map",
    "<document start>": "`---`",
}


@dataclass(frozen=True)
class StackFile:
    """`values` is the file as plain data; `lines` has the line of every key and list item by its path."""

    values: Any
    lines: Mapping[KeyPath, int]


@dataclass
class _Reader:
    source: str
    lines: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    problems: list[Problem] = field(default_factory=list[Problem])
    nodes: int = 0

    def report(self, node: Any, found: str, allowed: str, remedy: str) -> None:
        where = f"{self.source} line {node.start_mark.line + 1}"
        self.problems.append(Problem(where=where, found=found, allowed=allowed, remedy=remedy))

    def value(self, node: Any, path: KeyPath) -> Any:
        self.nodes += 1
        if len(path) > _MOST_DEPTH or self.nodes > _MOST_NODES:
            if self.nodes <= _MOST_NODES or not self.problems:
                self.report(
                    node,
                    "far too much, as when an alias (`*name`) is inside what it stands for",
                    f"{_MOST_DEPTH} levels and {_MOST_NODES} values, aliases written out",
                    "write the values themselves instead of the aliases, and nest less",
                )
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self.sequence(node, path)
        return self.scalar(node)

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                self.report(key_node, "a merge key `<<`", "keys written out", "copy the keys here that it would merge")
                continue
            key = self.scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                shown = f"`{key_node.value}`" if isinstance(key_node, yaml.ScalarNode) else "a list or a map"
                self.report(key_node, f"{shown} as a key", "text as a key", "put it in quotes if it is a name")
                continue
            if key in result:
                first = self.lines[(*path, key)]
                self.report(
                    key_node,
                    f"the key `{key}` again, after line {first}",
                    "each key once",
                    "merge the two entries or remove one",
                )
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*path, key))
        return result

    def sequence(self, node: yaml.SequenceNode, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        for index, item in enumerate(node.value):
            self.lines[(*path, index)] = item.start_mark.line + 1
            items.append(self.value(item, (*path, index)))
        return items

    def scalar(self, node: yaml.ScalarNode) -> Any:
        text = node.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            self.report(node, "half of a character (a lone surrogate)", "text in UTF-8", "write the character itself")
            return ""
        if node.style is not None:  # quoted or block text is text
            return text
        if _NULL.match(text):
            return None
        if _BOOL.match(text):
            return text.lower() == "true"
        if (_INT.match(text) or _FLOAT.match(text)) and len(text) > _MOST_DIGITS:
            self.report(node, "a number of very many digits", "a number", "shorten it")
            return None
        if _INT.match(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.match(text) or _NOT_FINITE.match(text):
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return text


def read_stack_file(path: Path) -> StackFile:
    """The file's values and lines. Raises Refused when it cannot be read or is not YAML."""
    name = path.name
    try:
        content = path.read_bytes()
    except OSError as error:
        others = sorted(p.name for p in path.parent.glob("Pulumi.*.yaml")) if path.parent.is_dir() else []
        raise Refused(
            name,
            [
                Problem(
                    where=str(path),
                    found=(error.strerror or "an unreadable file").lower(),
                    allowed=f"a readable stack file; here there is: {', '.join(others) or 'none'}",
                    remedy="name one of these stacks, or write the file",
                )
            ],
        ) from None
    return parse_stack_file(content, name)


def parse_stack_file(content: bytes, name: str) -> StackFile:
    """The same for bytes that were read already."""
    try:
        node = cast(Any, yaml).compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise Refused(name, [_syntax(error, content, name)]) from None
    reader = _Reader(name)
    values = None if node is None else reader.value(node, ())
    if reader.problems:
        raise Refused(name, reader.problems)
    return StackFile(values=values, lines=reader.lines)


def _syntax(error: Exception, content: bytes, name: str) -> Problem:
    """What the parser said, where it said it, in words that name the usual cause."""
    found, remedy = "text that is not YAML", "check quotes, colons, brackets and indentation"
    where = name
    if isinstance(error, yaml.MarkedYAMLError):
        found = " ".join((error.problem or found).split()).removeprefix("found ")
        if mark := error.problem_mark:
            where = f"{name} line {mark.line + 1}, column {mark.column + 1}"
        if begun := error.context_mark:
            remedy = f"check quotes, colons, brackets and indentation from line {begun.line + 1} on"
        if "'\\t'" in found:
            found, remedy = "a tab where YAML allows spaces only", "indent with spaces"
        elif found.startswith("expected <block end>"):
            found = "a line that is not indented like the lines it should belong to"
        elif "another document" in found:
            found, remedy = "a second document (`---`)", "keep one document in the file"
        elif "alias" in found:
            remedy = "define the anchor (`&name`) above, or quote the text when `*` is part of it"
    elif isinstance(error, UnicodeDecodeError):
        line = content[: error.start].count(b"\n") + 1
        where, found = f"{name} line {line}", f"the byte 0x{content[error.start]:02x}, which is not UTF-8"
        remedy = "save the file as UTF-8"
    elif isinstance(error, yaml.reader.ReaderError):
        line = content.decode("utf-8")[: error.position].count("\n") + 1
        where, found = f"{name} line {line}", f"the control character U+{int(error.character):04X}"
        remedy = "remove it, or write it as an escape in double quotes"
    elif isinstance(error, RecursionError):
        found, remedy = "lists or maps that are nested far too deep", "check the brackets"
    for jargon, word in _JARGON.items():
        found = found.replace(jargon, word)
    return Problem(where=where, found=found, allowed="YAML in UTF-8", remedy=remedy)

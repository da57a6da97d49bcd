"""Finds what in a request points outside of it: media in messages, addresses in tool definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from serving.gateway.guardrails.addresses import AllowedAddresses

# Parts of a message that are text, unless they hold a field that is named like a medium.
_TEXT_PARTS = frozenset(("text", "refusal", "input_text", "output_text", "thinking", "reasoning"))
_MEDIUM = re.compile(r"image|audio|video|media|file|data|ur[il]|embed", re.ASCII | re.IGNORECASE)
# Fields of a medium that point nowhere. All others must hold an allowed address.
_HARMLESS = frozenset(("type", "text", "detail", "format", "filename", "mime_type", "media_type", "uuid"))
# What holds a medium by value, without `data:` in front.
_VALUES = frozenset(("data", "file_data"))

_TOOL_FIELDS = ("tools", "functions", "mcp_servers")
_ADDRESS_NAMES = ("url", "uri", "endpoint")
# What some program would open as an address, however it is written: readers of URLs forgive a lot.
_ADDRESS = re.compile(r"[\x00-\x20]*(?:https?:|(?:wss?|ftps?|file):[/\\])", re.ASCII | re.IGNORECASE)
_SKIPPED_BY_READERS = str.maketrans("", "", "\t\r\n")
# Names the dialect of a JSON schema. Nobody opens it, and most generated schemas have it.
_DIALECT = "$schema"


def media_allowed(document: dict[str, Any], allowed: AllowedAddresses) -> bool:
    """Whether every medium in every message is at an allowed address, or by value where that is allowed."""
    messages: Any = document.get("messages")
    for message in cast("list[Any]", messages) if type(messages) is list else ():
        content: Any = cast("dict[str, Any]", message).get("content") if type(message) is dict else None
        for part in cast("list[Any]", content) if type(content) is list else (content,):
            if type(part) is dict and not _part_allowed(cast("dict[str, Any]", part), allowed):
                return False
    return True


def tools_allowed(document: dict[str, Any], allowed: AllowedAddresses) -> bool:
    """Whether every address in the definitions of tools is allowed: what stands in a field that is named like one,
    and what looks like one wherever it stands."""
    for field in _TOOL_FIELDS:
        for name, text in _strings(field, document.get(field)):
            if name == _DIALECT:
                continue
            named = name.lower().endswith(_ADDRESS_NAMES)
            if (named or _ADDRESS.match(text.translate(_SKIPPED_BY_READERS))) and not allowed.allows(text):
                return False
    return True


def _part_allowed(part: dict[str, Any], allowed: AllowedAddresses) -> bool:
    kind = part.get("type", "text")
    if type(kind) is str and kind in _TEXT_PARTS and not any(map(_MEDIUM.search, part)):
        return True
    for name, text in _strings("", part):
        if name in _HARMLESS:
            continue
        value = name in _VALUES and ":" not in text
        if not (allowed.by_value if value else allowed.allows(text)):
            return False
    return True


def _strings(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every text at any depth, with the name of the field that it stands in."""
    if type(value) is str:
        yield name, value
    elif type(value) is dict:
        for inner_name, inner in cast("dict[str, Any]", value).items():
            yield from _strings(inner_name, inner)
    elif type(value) is list:
        for entry in cast("list[Any]", value):
            yield from _strings(name, entry)

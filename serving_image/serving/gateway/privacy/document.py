"""Walks a request's document: all its texts in one go for the prefilter, and the replacement of findings in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import orjson

from serving.gateway.refusal import Refusal, four_parts

# Numbers with fewer digits than a national id are no finding.
_SMALLEST_NUMBER = 99_999_999
# Parts of a message that hold no text: nobody here can look into them.
_TEXT_PARTS = frozenset(("text", "refusal", "input_text", "output_text", "thinking", "reasoning"))
# Ready-made tokens and embeddings, by the names that engines know.
_UNREADABLE_FIELDS = ("prompt_token_ids", "prompt_embeds", "input_ids", "token_ids")
_PROMPTS = ("prompt", "input")
_JSON_TEXTS = frozenset(("arguments",))

# Base64 from its first to its last character, long enough to be an image or a sound.
_MEDIA = re.compile(r"(?:data:[a-z0-9.+/;=\-]{1,100},)?[A-Za-z0-9+/_\-]*={0,2}")
_SHORTEST_MEDIA = 256

Rewrite = Callable[[str], str]


def is_long_number(value: int) -> bool:
    """Whether it has as many digits as a national id."""
    return not -_SMALLEST_NUMBER <= value <= _SMALLEST_NUMBER


def is_encoded_media(text: str) -> bool:
    """Whether it is base64 from its first to its last character, and long enough to be an image or a sound."""
    return len(text) >= _SHORTEST_MEDIA and _MEDIA.fullmatch(text) is not None


def unreadable_field(document: dict[str, Any]) -> str | None:
    """The field in which the request has ready-made tokens or embeddings in place of text; None when in none."""
    for name in _UNREADABLE_FIELDS:
        if document.get(name) is not None:
            return name
    for name in _PROMPTS:
        value: Any = document.get(name)
        if type(value) is list and any(type(entry) is not str for entry in cast("list[Any]", value)):
            return name
    return None


def texts_of(document: dict[str, Any]) -> list[str]:
    """Every text of the document: values, field names and long numbers. Never misses one; order means nothing."""
    texts: list[str] = []
    waiting: list[Any] = [document]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            fields = cast("dict[str, Any]", item)
            texts += fields
            values: Any = fields.values()
        else:
            values = item
        for value in values:
            kind = cast("type[Any]", type(value))
            if kind is str:
                texts.append(value)
            elif kind is dict or kind is list:
                waiting.append(value)
            elif kind is int and not -_SMALLEST_NUMBER <= value <= _SMALLEST_NUMBER:
                texts.append(str(value))
    return texts


def refuse_unreadable(document: dict[str, Any], allow_media: bool) -> None:
    """Refuse what cannot be scanned: token numbers in place of text, and (unless allowed) images, sound and files."""
    name = unreadable_field(document)
    if name is not None:
        raise _unreadable(name, "token numbers" if name in _PROMPTS else "ready-made tokens or embeddings", "text")
    if allow_media:
        return
    messages: Any = document.get("messages")
    for message in cast("list[Any]", messages) if type(messages) is list else ():
        content: Any = message.get("content")
        if type(content) is not list:
            continue
        for part in cast("list[Any]", content):
            if type(part) is dict and cast("dict[str, Any]", part).get("type", "text") not in _TEXT_PARTS:
                raise _unreadable("messages", "an image, sound, file or other part that is not text", "text parts")


def _unreadable(param: str, found: str, allowed: str) -> Refusal:
    return Refusal(
        400,
        "privacy_unreadable",
        four_parts(
            param,
            f"{found}, which cannot be scanned for personal data",
            f"{allowed} for this key",
            "Send text instead, or ask the gateway's operator to change this key's privacy settings.",
        ),
        param=param,
    )


def rewrite_document(document: dict[str, Any], rewrite: Rewrite, *, keep_media: bool) -> bool:
    """Put `rewrite`'s answer in the place of every text; whether any changed. `model` is not touched: it was compared
    with the configured names. `keep_media`: encoded media stay as they are, or they would be broken."""
    if keep_media:
        rewrite = _sparing_media(rewrite)
    changed = False
    for name in list(document):
        value = document[name]
        if name == "model" or type(value) is int:
            continue
        new = _rewritten(value, rewrite, name)
        if new is not value:
            document[name] = new
            changed = True
    return _rename(document, rewrite) or changed


def _sparing_media(rewrite: Rewrite) -> Rewrite:
    def spare(text: str) -> str:
        return text if is_encoded_media(text) else rewrite(text)

    return spare


def _rewritten(value: Any, rewrite: Rewrite, name: str) -> Any:
    kind = cast("type[Any]", type(value))
    new: Any
    if kind is str:
        if name in _JSON_TEXTS:
            return _rewritten_json(value, rewrite)
        new = rewrite(value)
        return value if new == value else new
    if kind is dict:
        fields = cast("dict[str, Any]", value)
        for key, inner in list(fields.items()):
            new = _rewritten(inner, rewrite, key)
            if new is not inner:
                fields[key] = new
                value = fields = dict(fields)  # another object, so that the caller sees a change
        if name != "logit_bias" and _rename(fields, rewrite):
            return dict(fields)
        return value
    if kind is list:
        entries = cast("list[Any]", value)
        new_entries = [_rewritten(entry, rewrite, name) for entry in entries]
        same = all(new is old for new, old in zip(new_entries, entries, strict=True))
        return value if same else new_entries
    if kind is int and not -_SMALLEST_NUMBER <= value <= _SMALLEST_NUMBER:
        text = str(value)
        new = rewrite(text)
        return value if new == text else new
    return value


def _rewritten_json(text: str, rewrite: Rewrite) -> str:
    """A tool call's arguments are JSON inside a text: rewritten inside, so that they stay JSON and what is replaced is
    the value itself, not its escapes. What is no JSON is a text like any other."""
    try:
        inner: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        inner = None
    if type(inner) is not dict and type(inner) is not list:
        new = rewrite(text)
        return text if new == text else new
    new_inner = _rewritten(inner, rewrite, "")
    return text if new_inner is inner else orjson.dumps(new_inner).decode()


def _rename(fields: dict[str, Any], rewrite: Rewrite) -> bool:
    """Field names are texts too. The order stays."""
    names = {name: rewrite(name) for name in fields}
    if all(name == new for name, new in names.items()):
        return False
    if len(set(names.values())) != len(names):
        raise Refusal(
            400,
            "privacy_field_names",
            four_parts(
                "body",
                "personal data in two field names of one object that would become the same name",
                "field names without personal data",
                "Move the data into values.",
            ),
        )
    entries = [(names[name], value) for name, value in fields.items()]
    fields.clear()
    fields.update(entries)
    return True

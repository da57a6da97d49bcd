"""Turns pydantic's errors into problems: the path as written in YAML, what is allowed in the schema's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError

from infra.problems import Problem, did_you_mean, listing, nearest

Schema = Mapping[str, Any]

_NOTHING: Schema = {}

# Shapes of well-known credentials. A value like these is never shown and never accepted in a deployment.
_CREDENTIAL = re.compile(
    r"(sk-[A-Za-z0-9_-]{16,}|slw_[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{8,}\.eyJ|xox[abp]-[A-Za-z0-9-]{10,})"
)
_SECRET_NAME = re.compile(r"(^|_)(key|token|secret|password|passphrase|credential)s?$", re.IGNORECASE)
CREDENTIAL_REMEDY = (
    "remove it here, and set it as a secret: "
    "`pulumi config set --secret --path 'slipway:client_keys.CLIENT'` or `slipway:huggingface_token`"
)


def looks_like_credential(value: str) -> bool:
    """Whether text has the shape of a well-known key or token."""
    return _CREDENTIAL.search(value) is not None


def shown(value: Any) -> str:
    """A value as an error may show it: short, typed, and never a credential."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        if looks_like_credential(value):
            return "a value that looks like a secret (not shown)"
        text = value if len(value) <= 60 else f"{value[:57]}..."
        return "empty text" if not value else f"`{text}`".replace("\n", "\\n")
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a map" if isinstance(value, dict) else "a list"


def explain(error: ValidationError, raw: Any, schema: Schema) -> Iterator[tuple[tuple[str, ...], Problem]]:
    """Each error with its path (the problem's `where` is left for the caller, who knows files and lines)."""
    for item in error.errors(include_url=False):
        path = yaml_path(item["loc"], schema)
        yield path, _problem(item["type"], dict(item.get("ctx") or {}), item["msg"], path, raw, schema)


def yaml_path(location: Sequence[str | int], root: Schema) -> tuple[str, ...]:
    """pydantic's location without what is not in the file: the `kind` it chose a class by, and its `[key]` mark."""
    path: list[str] = []
    current = _resolved(root, root, None)
    for element in location:
        if "discriminator" in current:
            current = _resolved(root, {"$ref": current["discriminator"]["mapping"][element]}, None)
        elif element != "[key]":
            path.append(str(element))
            current = _resolved(root, _below(current, str(element)), None)
    return tuple(path)


def value_at(raw: Any, path: Sequence[str]) -> Any:
    """The value at a path, or None."""
    for element in path:
        if isinstance(raw, dict):
            raw = cast(dict[str, Any], raw).get(element)
        elif isinstance(raw, list) and element.isdigit() and int(element) < len(cast(list[Any], raw)):
            raw = cast(list[Any], raw)[int(element)]
        else:
            return None
    return raw


def schema_at(root: Schema, path: Sequence[str], raw: Any) -> Schema:
    """The part of a JSON schema that describes the value at a path; follows references, unions, maps and lists."""
    current = _resolved(root, root, raw)
    for element in path:
        raw = value_at(raw, (element,))
        described = _below(current, element)
        resolved = _resolved(root, described, raw)
        current = {**resolved, "description": described.get("description") or resolved.get("description", "")}
    return current


def _below(schema: Schema, element: str) -> Schema:
    """What a schema says of one of its keys or items; nothing when it knows of none."""
    candidates = (
        schema.get("properties", {}).get(element),
        *schema.get("patternProperties", {}).values(),
        schema.get("additionalProperties"),
        schema.get("items"),
    )
    return next((cast(Schema, candidate) for candidate in candidates if isinstance(candidate, dict)), _NOTHING)


def _resolved(root: Schema, schema: Schema, raw: Any) -> Schema:
    while True:
        if "$ref" in schema:
            schema = root["$defs"][str(schema["$ref"]).rsplit("/", 1)[1]]
        elif "allOf" in schema:
            schema = schema["allOf"][0]
        elif "anyOf" in schema:
            chosen = next(option for option in schema["anyOf"] if option.get("type") != "null")
            schema = {**{key: value for key, value in schema.items() if key != "anyOf"}, **chosen}
        elif "discriminator" in schema:
            kind = cast(dict[str, Any], raw).get("kind") if isinstance(raw, dict) else None
            mapping = schema["discriminator"]["mapping"]
            if kind not in mapping:
                return schema
            schema = {"$ref": mapping[kind]}
        else:
            return schema


def _problem(
    kind: str, context: dict[str, Any], message: str, path: tuple[str, ...], raw: Any, root: Schema
) -> Problem:
    value = value_at(raw, path)
    schema = schema_at(root, path, raw)
    name = path[-1] if path else ""
    if kind == "slipway":
        return Problem(where="", found=context["found"], allowed=context["allowed"], remedy=context["remedy"])
    if kind == "extra_forbidden":
        return _unknown_key(name, schema_at(root, path[:-1], raw))
    if kind == "missing":
        return Problem(
            where="",
            found="nothing",
            allowed=allowed_text(schema),
            remedy=f"add `{name}:`, it has no default",
        )
    if kind.startswith("union_tag"):
        kinds = tuple(schema.get("discriminator", {}).get("mapping", {}))
        tag = value_at(value, ("kind",))
        remedy = did_you_mean(tag, kinds, f"choose one of {listing(kinds)}") if isinstance(tag, str) else "add `kind:`"
        found = "no `kind`" if tag is None else f"`kind: {shown(tag).strip('`')}`"
        return Problem(where="", found=found, allowed=f"`kind`: {listing(kinds)}", remedy=remedy)
    if kind == "literal_error":
        choices = [str(c) for c in schema.get("enum", [schema.get("const", "")])]
        remedy = (
            did_you_mean(value, choices, "choose one of these") if isinstance(value, str) else "choose one of these"
        )
        return Problem(where="", found=shown(value), allowed=listing(choices), remedy=remedy)
    remedy = str(schema.get("x-remedy") or _remedy(kind, value, schema))
    # A map's own key is at fault when the value there is a map while text was expected.
    found = f"the name `{name}`" if kind.startswith("string_") and isinstance(value, dict | list) else shown(value)
    allowed = allowed_text(schema) if schema else message
    if found.startswith("the name"):
        allowed = str(schema_at(root, path[:-1], raw).get("propertyNames", {}).get("description") or message)
    return Problem(where="", found=found, allowed=allowed, remedy=remedy)


def _unknown_key(name: str, parent: Schema) -> Problem:
    known = tuple(parent.get("properties", {}))
    hidden = looks_like_credential(name)
    secret = hidden or (_SECRET_NAME.search(name) and nearest(name, known) is None)
    return Problem(
        where="",
        found="a key that looks like a secret (not shown)" if hidden else f"an unknown key `{name}`",
        allowed=listing(known),
        remedy=CREDENTIAL_REMEDY if secret else did_you_mean(name, known, "remove it, or choose one of these keys"),
    )


def allowed_text(schema: Schema) -> str:
    """What a field takes, from its schema: type, bounds, then its description."""
    parts: list[str] = []
    kind = schema.get("type")
    low, high = schema.get("minimum"), schema.get("maximum")
    if kind in ("integer", "number"):
        noun = "a whole number" if kind == "integer" else "a number"
        parts.append(f"{noun} from {low} to {high}" if low is not None and high is not None else noun)
    elif kind == "object" or "discriminator" in schema:
        parts.append("a map with at least one entry" if schema.get("minProperties") else "a map")
    elif kind == "array":
        parts.append("a list with at least one item" if schema.get("minItems") else "a list")
    elif kind == "string":
        parts.append("text")
    elif kind == "boolean":
        parts.append("`true` or `false`")
    description = str(schema.get("description", "")).strip()
    return ". ".join([*parts, description]) if description else ". ".join(parts)


def _remedy(kind: str, value: Any, schema: Schema) -> str:
    expected = schema.get("type")
    if expected == "string" and isinstance(value, int | float):
        return "put it in quotes: YAML reads an unquoted 1.30 as the number 1.3"
    if (expected == "object" or "discriminator" in schema) and isinstance(value, list):
        return "write `name: {…}` entries instead of a list with dashes"
    if expected == "array" and not isinstance(value, list):
        return "write a list: `[first, second]`"
    if expected in ("integer", "number") and isinstance(value, str):
        return "write the number without quotes or unit"
    if kind.startswith("too_short"):
        return "add at least one"
    return "change it to what is allowed, or remove it where it has a default"

"""Turns pydantic's errors into problems: the path as written in YAML, what is allowed in the schema's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError

from infra.problems import Problem, did_you_mean, listing, nearest
from infra.stack_file import KeyPath

Schema = Mapping[str, Any]

_NOTHING: Schema = {}
# What `schema_at` adds to a schema: whether the key may be left out, and its value then (null: the planner's choice).
_OPTIONAL, _DEFAULT = "x-optional", "x-default"

# Shapes of well-known credentials, to their end. Text like these is never shown and never accepted in a deployment.
# Not inside a word: `/mnt/disk-for-large-models` holds no `sk-…`.
_CREDENTIAL = re.compile(
    r"(?<![A-Za-z0-9])(sk-[A-Za-z0-9_-]{16,}|slw_[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|eyJ[A-Za-z0-9_-]{8,}\.eyJ\S*|xox[abp]-[A-Za-z0-9-]{10,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY[\s\S]*"
)
# Not `tokens`: here that is what models count.
_SECRET_NAME = re.compile(
    r"(^|api|access|auth|bearer|client|face|hf|private|secret)[_-]?(keys?|token)$"
    r"|(secret|password|passphrase|credential)s?$",
    re.IGNORECASE,
)
CREDENTIAL_REMEDY = (
    "remove it, replace the secret itself, and set the new one beside the deployment: "
    "`pulumi config set --secret --path slipway:client_keys.CLIENT` for a client, "
    "`pulumi config set --secret slipway:huggingface_token` for Hugging Face, "
    "`pulumi config set --secret --path slipway:gateway_secrets.NAME` for what the gateway shows to others"
)


def looks_like_credential(value: str) -> bool:
    """Whether text has the shape of a well-known key or token."""
    return _CREDENTIAL.search(value) is not None


def presentable(text: str) -> str:
    """The same text on one line, without a credential in it and without what a terminal would obey."""
    text = _CREDENTIAL.sub("(a secret, not shown)", text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(value: Any) -> str:
    """A value as an error may show it: short, typed, on one line, and never a credential."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        if looks_like_credential(value):
            return "a value that looks like a secret (not shown)"
        return f"`{_short(value)}`" if value else "empty text"
    if isinstance(value, int | float):
        return f"the number {_short(str(value))}"
    kind = "map" if isinstance(value, dict) else "list"
    return f"a {kind}" if value else f"an empty {kind}"


def _short(text: str) -> str:
    text = presentable(text)
    return text if len(text) <= 60 else f"{text[:57]}..."


def dotted(root: str, path: KeyPath) -> str:
    """A path as Pulumi writes it: `models.chat.engine`, `models["chat.v2"].engine`, `clients.dev.models[0]`."""
    return root + "".join(_step(element) for element in path)


def _step(element: str | int) -> str:
    if isinstance(element, int):
        return f"[{element}]"
    return f".{element}" if re.fullmatch(r"[A-Za-z0-9_-]+", element) else f'["{_short(element)}"]'


def explain(error: ValidationError, raw: Any, schema: Schema) -> Iterator[tuple[KeyPath, Problem]]:
    """Each error with its path (the problem's `where` is left for the caller, who knows files and lines)."""
    for item in error.errors(include_url=False):
        kind, location = item["type"], item["loc"]
        if location[-1:] == ("[key]",) and kind.startswith("string_"):
            path = yaml_path(location[:-1], schema)
            yield path, _bad_name(str(path[-1]), schema_at(schema, path[:-1], raw))
        elif kind.startswith("union_tag"):
            path = yaml_path(location, schema)
            kinds = tuple(schema_at(schema, path, raw).get("discriminator", {}).get("mapping", {}))
            yield (*path, "kind"), _bad_kind(value_at(raw, (*path, "kind")), kinds)
        else:
            path = yaml_path(location, schema)
            yield path, _problem(kind, dict(item.get("ctx") or {}), item["msg"], path, raw, schema)


def yaml_path(location: Sequence[str | int], root: Schema) -> KeyPath:
    """pydantic's location without what is not in the file: the `kind` that it chose a class by."""
    path: list[str | int] = []
    current = _resolved(root, root, None)
    for element in location:
        if "discriminator" in current:
            current = _resolved(root, {"$ref": current["discriminator"]["mapping"][element]}, None)
        else:
            path.append(element)
            current = _resolved(root, _below(current, element), None)
    return tuple(path)


def value_at(raw: Any, path: KeyPath) -> Any:
    """The value at a path, or None."""
    for element in path:
        if isinstance(raw, dict):
            raw = cast(dict[str, Any], raw).get(str(element))
        elif isinstance(raw, list) and isinstance(element, int) and element < len(cast(list[Any], raw)):
            raw = cast(list[Any], raw)[element]
        else:
            return None
    return raw


def schema_at(root: Schema, path: KeyPath, raw: Any) -> Schema:
    """The part of a JSON schema that describes the value at a path; follows references, unions, maps and lists."""
    current: Schema = _resolved(root, root, raw)
    for element in path:
        raw = value_at(raw, (element,))
        described = _below(current, element)
        optional = element in current.get("properties", {}) and element not in current.get("required", ())
        # What the field says of itself comes before what its type says; an item of a list is described by the list.
        of_list = current.get("description", "") if isinstance(element, int) else ""
        resolved = _resolved(root, described, raw)
        description = described.get("description") or resolved.get("description") or of_list
        current = {**resolved, "description": description, _OPTIONAL: optional, _DEFAULT: described.get("default")}
    return current


def _below(schema: Schema, element: str | int) -> Schema:
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
            if not isinstance(kind, str) or kind not in mapping:
                return schema
            schema = {"$ref": mapping[kind]}
        else:
            return schema


def _problem(kind: str, context: dict[str, Any], message: str, path: KeyPath, raw: Any, root: Schema) -> Problem:
    value = value_at(raw, path)
    schema = schema_at(root, path, raw)
    name = str(path[-1]) if path else ""
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
    if kind == "literal_error":
        return _no_choice(value, [str(choice) for choice in schema.get("enum", [schema.get("const", "")])])
    return Problem(
        where="",
        found=shown(value),
        allowed=allowed_text(schema) if schema else message,
        remedy=_remedy(kind, value, schema),
    )


def _bad_kind(tag: Any, kinds: Sequence[str]) -> Problem:
    if tag is not None:
        return _no_choice(tag, kinds)
    remedy = f"add `kind: {kinds[0]}`" if len(kinds) == 1 else "add `kind:` with one of these"
    return Problem(where="", found="nothing", allowed=listing(kinds), remedy=remedy)


def _no_choice(value: Any, choices: Sequence[str]) -> Problem:
    otherwise = f"write `{choices[0]}`" if len(choices) == 1 else "choose one of these"
    remedy = did_you_mean(value, choices, otherwise) if isinstance(value, str) else otherwise
    return Problem(where="", found=shown(value), allowed=listing(choices), remedy=remedy)


def _bad_name(name: str, parent: Schema) -> Problem:
    return Problem(
        where="",
        found=f"the name {shown(name)}" if name else "an empty name",
        allowed=str(parent.get("propertyNames", {}).get("description", "a name")),
        remedy="rename it",
    )


def _unknown_key(name: str, parent: Schema) -> Problem:
    known = tuple(parent.get("properties", {}))
    secret = looks_like_credential(name) or (_SECRET_NAME.search(name) and nearest(name, known) is None)
    return Problem(
        where="",
        found=f"an unknown key `{_short(name)}`",
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
        least = schema.get("minItems")
        parts.append(f"a list with at least {'one item' if least == 1 else f'{least} items'}" if least else "a list")
    elif kind == "string":
        parts.append("text")
    elif kind == "boolean":
        parts.append("`true` or `false`")
    description = str(schema.get("description", "")).strip()
    return ". ".join([*parts, description]) if description else ". ".join(parts)


def _remedy(kind: str, value: Any, schema: Schema) -> str:
    expected = "object" if "discriminator" in schema else schema.get("type")
    if kind == "too_short":
        return "add at least one"
    if expected == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        why = "YAML reads an unquoted 1.30 as the number 1.3" if isinstance(value, float) else "then it is text"
        return f"put it in quotes: {why}"
    if expected == "object" and isinstance(value, list):
        return "write `name: {…}` entries instead of a list with dashes"
    if "discriminator" in schema:
        known = isinstance(value, str) and value in schema["discriminator"]["mapping"]
        return f"write a map: `{{kind: {value if known else 'KIND'}}}`{_leave_out(schema)}"
    if expected == "object":
        return f"write a map: `key: value` lines, indented{_leave_out(schema)}"
    if expected == "array" and not isinstance(value, list):
        return "write a list: `[first, second]`"
    if expected == "boolean":
        return "write `true` or `false`, without quotes"
    if expected in ("integer", "number") and isinstance(value, str):
        return "write the number alone: no quotes, no unit, no separator"
    return f"{schema.get('x-remedy', 'change it to what is allowed')}{_leave_out(schema)}"


def _leave_out(schema: Schema) -> str:
    if not schema.get(_OPTIONAL):
        return ""
    default = schema.get(_DEFAULT)
    return ", or leave it out" if default is None else f", or leave it out: the default is `{_plain(default)}`"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Values that a JSON schema allows, drawn for properties; names that must point at something are drawn from what is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]
Strategy = st.SearchStrategy[Any]


def values(schema: Schema, root: Schema, known: Mapping[str, Strategy]) -> Strategy:
    """What the schema allows. `known` has strategies for fields by name, for what no schema can say."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return known[name] if name in known else values(root["$defs"][name], root, known)
    if "anyOf" in schema or "oneOf" in schema:
        return st.one_of([values(option, root, known) for option in schema.get("anyOf", schema.get("oneOf"))])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _BY_TYPE[schema["type"]](schema, root, known)


def few(schema: Schema, root: Schema, known: Mapping[str, Strategy]) -> Strategy:
    """An object with what it must have and up to four of its other fields."""
    fields = sorted(schema["properties"])
    needed = set(schema.get("required", ()))

    def chosen(names: list[str]) -> Strategy:
        properties = {name: inner for name, inner in schema["properties"].items() if name in {*names, *needed}}
        return _object({**schema, "properties": properties, "required": list(properties)}, root, known)

    return st.lists(st.sampled_from(fields), max_size=4, unique=True).flatmap(chosen)


def _object(schema: Schema, root: Schema, known: Mapping[str, Strategy]) -> Strategy:
    if "properties" not in schema:
        pattern, inner = next(iter(schema.get("patternProperties", {}).items()), ("", schema["additionalProperties"]))
        keys = st.from_regex(pattern or "[a-z]{1,8}", fullmatch=True, alphabet=st.characters(codec="ascii"))
        return st.dictionaries(keys, values(inner, root, known), min_size=schema.get("minProperties", 0), max_size=2)
    fields = {
        # A field that is a thing of its own is drawn as that, whatever its name.
        name: known[name]
        if name in known and "$ref" not in inner
        else st.deferred(lambda inner=inner: values(inner, root, known))
        for name, inner in schema["properties"].items()
    }
    required = schema.get("required", ())
    return st.fixed_dictionaries(
        {name: fields[name] for name in required},
        optional={name: field for name, field in fields.items() if name not in required},
    )


def _array(schema: Schema, root: Schema, known: Mapping[str, Strategy]) -> Strategy:
    return st.lists(values(schema["items"], root, known), min_size=schema.get("minItems", 0), max_size=2)


def _number(schema: Schema, _root: Schema, _known: Mapping[str, Strategy]) -> Strategy:
    low, high = schema["minimum"], schema["maximum"]
    ends = st.sampled_from([low, high])
    if schema["type"] == "integer":
        return ends | st.integers(low, high)
    return ends | st.floats(low, high)


def _string(schema: Schema, _root: Schema, _known: Mapping[str, Strategy]) -> Strategy:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True, alphabet=st.characters(codec="ascii"))
    return st.text(
        st.characters(min_codepoint=33, max_codepoint=126),
        min_size=schema.get("minLength", 0),
        max_size=min(12, schema.get("maxLength", 12)),
    )


_BY_TYPE = {
    "object": _object,
    "array": _array,
    "integer": _number,
    "number": _number,
    "string": _string,
    "boolean": lambda *_: st.booleans(),
    "null": lambda *_: st.none(),
}

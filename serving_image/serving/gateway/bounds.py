"""Types and ranges of request fields: one table of what is allowed, and the check of one value against it."""

from __future__ import annotations

from typing import Any

from serving.gateway.refusal import Refusal, four_parts, out_of_bounds

_TYPES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
}
_REMEDY = "Correct this field or leave it out."


class Numbers:
    """A number field: its range, and whether it must be whole."""

    __slots__ = ("high", "low", "text", "whole")

    def __init__(self, low: float, high: float, *, whole: bool = False) -> None:
        self.low = low
        self.high = high
        self.whole = whole
        self.text = f"{'a whole number' if whole else 'a number'} from {low:g} to {high:g}"

    def check(self, param: str, value: Any) -> None:
        """Refuse `value` if it is not such a number. Booleans are not numbers here, as in JSON."""
        if type(value) is int or (type(value) is float and not self.whole):
            if self.low <= value <= self.high:
                return
            found = f"{value:.6g}"
        else:
            found = describe(value)
        raise out_of_bounds(param, found, self.text, _REMEDY)


class Kinds:
    """A field of certain JSON types."""

    __slots__ = ("_kinds", "text")

    def __init__(self, text: str, *kinds: type) -> None:
        self._kinds = kinds
        self.text = text

    def check(self, param: str, value: Any) -> None:
        """Refuse `value` if its type is none of the allowed ones."""
        if type(value) not in self._kinds:
            raise out_of_bounds(param, describe(value), self.text, _REMEDY)


_BOOLEAN = Kinds("true or false", bool)
_OBJECT = Kinds("an object", dict)
_TEXT = Kinds("a string", str)
_INT64 = Numbers(-(2**63), 2**63 - 1, whole=True)

# The same name is a switch in one of OpenAI's endpoints and a number in the other.
LOGPROBS: dict[str, Numbers | Kinds] = {"chat_completions": _BOOLEAN, "completions": Numbers(0, 20, whole=True)}

# Fields that OpenAI's API or the engines' extensions of it give a meaning to and whose wrong value would be a crash
# or an unbounded cost there. Fields not listed pass: engines add new ones faster than a gateway is released.
FIELDS: dict[str, Numbers | Kinds] = {
    "temperature": Numbers(0, 2),
    "top_p": Numbers(0, 1),
    "min_p": Numbers(0, 1),
    "top_k": Numbers(-1, 1_000_000, whole=True),
    "frequency_penalty": Numbers(-2, 2),
    "presence_penalty": Numbers(-2, 2),
    "repetition_penalty": Numbers(0, 10),
    "seed": _INT64,
    "top_logprobs": Numbers(0, 20, whole=True),
    "prompt_logprobs": Numbers(0, 20, whole=True),
    "n_probs": Numbers(0, 20, whole=True),
    "echo": _BOOLEAN,
    "ignore_eos": _BOOLEAN,
    "stream_options": _OBJECT,
    "response_format": _OBJECT,
    "logit_bias": _OBJECT,
    "metadata": _OBJECT,
    "tools": Kinds("a list", list),
    "tool_choice": Kinds("a string or an object", str, dict),
    "stop": Kinds("a string or a list of strings", str, list),
    "user": _TEXT,
    "suffix": _TEXT,
}


def check_fields(document: dict[str, Any]) -> None:
    """Check every listed field that is present. null counts as absent, as in OpenAI's API."""
    for param, value in document.items():
        rule = FIELDS.get(param)
        if rule is not None and value is not None:
            rule.check(param, value)


def check_count(document: dict[str, Any], param: str, high: int, allowed: str) -> int:
    """A whole number from 1 to `high`; absent or null is 1."""
    value = document.get(param)
    if value is None:
        return 1
    if type(value) is not int or not 1 <= value <= high:
        found = f"{value:.6g}" if type(value) in (int, float) else describe(value)
        raise out_of_bounds(param, found, allowed, _REMEDY)
    return value


def describe(value: object) -> str:
    """The JSON type of a value; never the value, which may be a prompt."""
    if value is None:
        return "null"
    return _TYPES.get(type(value), "a fraction")


def too_long_for_context(found: str, context_tokens: int, param: str) -> Refusal:
    """400 in the shape that clients know as 'the prompt does not fit'."""
    message = four_parts(
        param,
        found,
        f"what fits in this model's context of {context_tokens} tokens",
        "Send a shorter prompt or use a model with a longer context.",
    )
    return Refusal(400, "context_length_exceeded", message, param=param)

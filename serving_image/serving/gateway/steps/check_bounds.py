"""Step: are the prompt and the parameters within the limits?"""

from __future__ import annotations

from typing import Any, cast

from serving.gateway.bounds import LOGPROBS, check_count, check_fields, describe, too_long_for_context
from serving.gateway.context import RequestContext
from serving.gateway.policy import Model
from serving.gateway.refusal import out_of_bounds

# The longest token of the vocabularies in use (GPT-2, cl100k, o200k, Llama 3, Qwen, SmolLM: runs of 64 two-byte
# characters or 128 spaces) is 128 bytes. So a text of n bytes has at least n / 128 tokens, whatever the tokenizer,
# and only what certainly cannot fit is refused here; everything else the engine counts exactly.
_LONGEST_TOKEN_BYTES = 128


def check_bounds(context: RequestContext) -> None:
    """Refuse what is out of bounds before an engine sees it."""
    document = context.document
    limits = context.policy.limits
    model = context.model
    assert model is not None
    check_fields(document)
    logprobs = document.get("logprobs")
    if logprobs is not None and context.endpoint in LOGPROBS:
        LOGPROBS[context.endpoint].check("logprobs", logprobs)
    if context.endpoint == "chat_completions":
        _check_messages(document, limits.messages)
        _check_choices(document, 1, limits.choices)
        field = "messages"
    elif context.endpoint == "completions":
        prompts = _check_prompt(document, "prompt", limits.choices, model)
        _check_choices(document, prompts, limits.choices)
        field = "prompt"
    else:
        # Embedding models may squeeze any text (one token per unknown word) and engines truncate on request,
        # so no byte count proves that an input cannot fit: token lists are counted, texts are the engine's.
        _check_prompt(document, "input", limits.messages, model)
        return
    # Text is never longer than the JSON around it: short bodies, the usual case, are settled by one comparison.
    most = model.context_tokens * _LONGEST_TOKEN_BYTES
    if len(context.body) <= most:
        return
    text = document[field]
    if field == "prompt" and type(text) is list:
        # Several prompts have a context each, so the longest decides. Token lists were counted above.
        text = max((item for item in cast("list[Any]", text) if type(item) is str), key=len, default="")
    if _text_bytes(text) > most:
        raise too_long_for_context(f"text of more than {most} bytes", model.context_tokens, field)


def _check_messages(document: dict[str, Any], limit: int) -> None:
    messages = document.get("messages")
    allowed = f"a list of 1 to {limit} objects"
    remedy = "Send the conversation as a list of messages."
    if type(messages) is not list:
        raise out_of_bounds("messages", describe(messages), allowed, remedy)
    listed = cast("list[Any]", messages)
    if not 1 <= len(listed) <= limit:
        raise out_of_bounds("messages", f"a list of {len(listed)}", allowed, remedy)
    for message in listed:
        if type(message) is not dict:
            raise out_of_bounds("messages", f"a list with {describe(message)} in it", allowed, remedy)


def _check_prompt(document: dict[str, Any], param: str, limit: int, model: Model) -> int:
    """How many prompts (or inputs) there are: a string or a list of token numbers is one."""
    value = document.get(param)
    allowed = f"a string, a list of 1 to {limit} strings, or lists of token numbers"
    remedy = "Send the text in one of these forms."
    if type(value) is str:
        return 1
    if type(value) is not list:
        raise out_of_bounds(param, describe(value), allowed, remedy)
    entries = cast("list[Any]", value)
    if not entries:
        raise out_of_bounds(param, "an empty list", allowed, remedy)
    kinds: set[type] = {type(entry) for entry in entries}
    if kinds == {int}:
        _check_tokens(entries, param, model)
        return 1
    if not (kinds == {str} or kinds == {list}):
        raise out_of_bounds(param, "a list with other or mixed entries", allowed, remedy)
    if len(entries) > limit:
        raise out_of_bounds(param, f"a list of {len(entries)}", allowed, remedy)
    if kinds == {list}:
        for entry in entries:
            if {type(token) for token in entry} != {int}:
                raise out_of_bounds(param, "an inner list of something else", allowed, remedy)
            _check_tokens(entry, param, model)
    return len(entries)


def _check_tokens(tokens: list[int], param: str, model: Model) -> None:
    if len(tokens) > model.context_tokens:
        raise too_long_for_context(f"{len(tokens)} tokens", model.context_tokens, param)
    if min(tokens) < 0 or max(tokens) >= 2**31:
        raise out_of_bounds(
            param, "token numbers out of range", "token numbers from 0 to 2147483647", "Send real tokens."
        )


def _check_choices(document: dict[str, Any], prompts: int, limit: int) -> None:
    """Every prompt times every choice is a generation of its own on the engine, so their product is bounded."""
    for param in ("n", "best_of"):
        allowed = f"a whole number from 1 to {limit // prompts} for {prompts} prompt(s)"
        check_count(document, param, limit // prompts, allowed)


def _text_bytes(value: Any) -> int:
    """UTF-8 bytes of all text that becomes prompt: strings, `content`, and `text` parts."""
    total = 0
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is str:
            total += len(item.encode())
        elif type(item) is list:
            waiting.extend(cast("list[Any]", item))
        elif type(item) is dict:
            fields = cast("dict[str, Any]", item)
            # Only these: an image part is long in bytes and short in tokens.
            waiting.extend([fields[name] for name in ("content", "text") if name in fields])
    return total

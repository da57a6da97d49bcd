"""What a client is told when a guardrail stops it (constant texts), and what audit and metrics are told (the rule)."""

from __future__ import annotations

from typing import Literal

from serving.gateway.context import RequestContext
from serving.gateway.refusal import Refusal, four_parts

Decision = Literal["refused", "refused_on_failure", "passed_on_failure"]

# Where, what was found and what is allowed. Never the pattern, the list or the text.
_PROMPT = ("body", "something that a guardrail for this key does not let through", "prompts that its rules let through")
_SAID: dict[str, tuple[str, str, str]] = {
    "deny_pattern": ("body", "text of a kind that this key may not send", "prompts without such text"),
    "media_host": (
        "messages",
        "an image, sound or file from an address that this key may not use",
        "media from the addresses configured for this key",
    ),
    "tool_host": (
        "tools",
        "an address that this key may not use in a tool's definition",
        "the addresses configured for this key's tools",
    ),
    "unreadable": ("body", "ready-made tokens or embeddings, which no guardrail can read", "text for this key"),
    "system_policy": (
        "body",
        "a field that would show or replace what the gateway adds to this key's prompts",
        "requests without echo, prompt_logprobs, return_token_ids and chat_template",
    ),
}
_ANSWER = (
    "answer",
    "something that a guardrail for this key does not let through",
    "answers that its rules let through",
)
_REMEDY = "Ask differently, or ask the gateway's operator about this key's guardrails."


def refuse(context: RequestContext, kind: str, name: str = "", reason: str = "", *, answer: bool = False) -> Refusal:
    """400, and the decision noted. The same status for prompts and answers: clients repeat what fails with a 5xx, and
    the model would only say it again."""
    note(context, kind, name, "refused", reason)
    return Refusal(400, "guardrail_refused", four_parts(*(_ANSWER if answer else _SAID.get(kind, _PROMPT)), _REMEDY))


def unavailable(context: RequestContext, kind: str, name: str) -> Refusal:
    """503: a guardrail could not judge, and what is not judged is not passed."""
    note(context, kind, name, "refused_on_failure")
    return Refusal(
        503,
        "guardrail_unavailable",
        four_parts(
            "gateway",
            "no proper judgement in time from a guardrail of this key",
            "requests and answers that were judged",
            "Try again after the seconds in Retry-After; if it stays so, tell the gateway's operator.",
        ),
        kind="api_error",
        retry_after=b"2",
    )


def too_large(limit: int) -> Refusal:
    """502: an answer that cannot be kept back until it is whole."""
    return Refusal(
        502,
        "guardrail_answer_too_large",
        four_parts(
            "answer",
            "more bytes than can be looked at before it is sent",
            f"{limit} bytes (guardrails' largest_answer_bytes)",
            "Ask for a shorter answer.",
        ),
        kind="api_error",
    )


def note(context: RequestContext, kind: str, name: str, decision: Decision, reason: str = "") -> None:
    """For audit and metrics. `reason` is in the audit only: there are too many of them for labels."""
    rule = f"{kind}:{name}" if name else kind
    last = reason if decision == "refused" else decision
    context.decide(f"guardrail:{rule}:{last}" if last else f"guardrail:{rule}")
    context.guarded = [*(context.guarded or ()), (rule, decision)]

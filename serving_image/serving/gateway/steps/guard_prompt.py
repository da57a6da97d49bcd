"""Steps: may the client send this? First what it sent is looked at, then (hooks) what the model would see."""

from __future__ import annotations

from collections.abc import Awaitable

from serving.gateway.context import RequestContext
from serving.gateway.guardrails.asking import ask_hooks
from serving.gateway.guardrails.held_answer import AnswerGuard
from serving.gateway.guardrails.hook import HookRequest
from serving.gateway.guardrails.pointers import media_allowed, tools_allowed
from serving.gateway.guardrails.refusals import refuse, unavailable
from serving.gateway.guardrails.rules import ClientGuardrails
from serving.gateway.guardrails.system_policy import state_policy
from serving.gateway.guardrails.texts import RequestTexts
from serving.gateway.privacy.document import unreadable_field


def guard_prompt(context: RequestContext) -> None:
    """Patterns and lists of addresses. Before personal data is replaced: patterns are about what the client wrote, and
    an address with a placeholder in it would be none."""
    client = context.client
    guardrails = client.guardrails if client is not None else None
    if guardrails is None:
        return
    rules = guardrails.rules
    document = context.document
    if rules.media is not None and not media_allowed(document, rules.media):
        raise refuse(context, "media_host")
    if rules.tools is not None and not tools_allowed(document, rules.tools):
        raise refuse(context, "tool_host")
    policy = guardrails.system_policy is not None and context.endpoint != "embeddings"
    if (rules.deny_prompt is not None or rules.before or policy) and unreadable_field(document) is not None:
        raise refuse(context, "unreadable")
    if rules.deny_prompt is not None:
        try:
            found = rules.deny_prompt.first(RequestTexts(document).all())
        except ValueError:  # it ran out of memory: nothing was searched
            raise unavailable(context, "deny_pattern", "") from None
        if found is not None:
            raise refuse(context, "deny_pattern", found)


def apply_guardrails(context: RequestContext) -> Awaitable[None] | None:
    """Hooks, the client's system policy, and who will look at the answer. After personal data was replaced: hooks may
    be in another place, which gets no more than the model does; and the policy is not the client's text."""
    client = context.client
    guardrails = client.guardrails if client is not None else None
    if guardrails is None:
        return None
    rules = guardrails.rules
    answered = rules.looks_at_answers and context.endpoint != "embeddings"
    if rules.before or answered:
        request = _request_of(context)
        if answered:
            context.answer_guard = AnswerGuard(rules, request)
        if rules.before:
            return _ask_first(context, guardrails, request)
    _state_policy(context, guardrails)
    return None


async def _ask_first(context: RequestContext, guardrails: ClientGuardrails, request: HookRequest) -> None:
    await ask_hooks(context, guardrails.rules.before, request)
    _state_policy(context, guardrails)


def _state_policy(context: RequestContext, guardrails: ClientGuardrails) -> None:
    if guardrails.system_policy is not None:
        state_policy(context, guardrails.system_policy)


def _request_of(context: RequestContext) -> HookRequest:
    assert context.client is not None
    assert context.model is not None
    return HookRequest(
        client=context.client.name,
        subject=context.subject,
        model=context.model.name,
        endpoint=context.endpoint,
        stream=context.stream,
        text="\n".join(RequestTexts(context.document).said),
        body=context.body,
    )

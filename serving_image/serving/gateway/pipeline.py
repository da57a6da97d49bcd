"""The order of the steps. A later feature (quotas, privacy, cache, audit) is one more file and one more line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from serving.gateway.context import RequestContext
from serving.gateway.limits.settlement import settle
from serving.gateway.limits.usage_stream import ask_for_usage
from serving.gateway.steps.access_model import access_model
from serving.gateway.steps.admit_audit import admit_audit, keep_prompt, record_request
from serving.gateway.steps.answer_from_cache import answer_from_cache
from serving.gateway.steps.authenticate import authenticate
from serving.gateway.steps.bound_output import bound_output
from serving.gateway.steps.check_bounds import check_bounds
from serving.gateway.steps.forward import forward
from serving.gateway.steps.guard_prompt import apply_guardrails, guard_prompt
from serving.gateway.steps.limit_requests import limit_requests
from serving.gateway.steps.parse_body import parse_body
from serving.gateway.steps.protect_privacy import protect_privacy
from serving.gateway.steps.read_body import read_body
from serving.gateway.steps.refuse_contained import refuse_contained
from serving.gateway.steps.reserve_quota import reserve_quota
from serving.gateway.telemetry.tracing import finish_trace

# A step fills the context, refuses by raising Refusal, or answers. One that needs no waiting is a plain function
# and returns None, which saves a coroutine per step and request.
Step = Callable[[RequestContext], Awaitable[None] | None]

# Cheap refusals first: nothing of a body is read for a stranger, nothing parsed for one over its limit.
ADMISSION: tuple[tuple[str, Step], ...] = (
    ("authenticate", authenticate),
    ("refuse_contained", refuse_contained),
    ("admit_audit", admit_audit),
    ("limit_requests", limit_requests),
)

GENERATION: tuple[tuple[str, Step], ...] = (
    *ADMISSION,
    ("read_body", read_body),
    ("keep_prompt", keep_prompt),
    ("parse_body", parse_body),
    ("access_model", access_model),
    ("check_bounds", check_bounds),
    ("guard_prompt", guard_prompt),
    ("protect_privacy", protect_privacy),
    ("apply_guardrails", apply_guardrails),
    ("bound_output", bound_output),
    ("answer_from_cache", answer_from_cache),
    ("reserve_quota", reserve_quota),
    ("ask_for_usage", ask_for_usage),
    ("forward", forward),
)

# What closes the books on every request that began, answered or not, in this order: quotas settle, audit rows are
# written. Called with the request's duration in seconds; must not raise and must not wait.
Finisher = Callable[[RequestContext, float], None]
# The audit comes last: its row says what the others settled.
FINISHERS: tuple[Finisher, ...] = (settle, finish_trace, record_request)


async def run_steps(steps: tuple[tuple[str, Step], ...], context: RequestContext) -> None:
    """Run `steps` in order; the first Refusal, or the first answer, ends the request."""
    for _name, step in steps:
        waiting = step(context)
        if waiting is not None:
            await waiting
            if context.answer_started:
                return

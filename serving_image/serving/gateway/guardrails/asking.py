"""Asks the hooks of a client one after the other, each within its time; the first that refuses ends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from math import inf

from serving.gateway.context import RequestContext
from serving.gateway.guardrails.hook import HookAnswer, HookRequest
from serving.gateway.guardrails.refusals import note, refuse, unavailable
from serving.gateway.guardrails.rules import Hook
from serving.gateway.lifeline import Cause


async def ask_hooks(
    context: RequestContext, hooks: Sequence[Hook], request: HookRequest, answer: HookAnswer | None = None
) -> None:
    """Returns when all let it pass. Raises Refusal."""
    # Hooks have limits of their own; those for a slow body or a silent engine are over.
    context.lifeline.phase(Cause.TOTAL, inf)
    for hook in hooks:
        try:
            async with asyncio.timeout(hook.seconds):
                reason = await hook.judge(request, answer, context.upstreams)
        except Exception as error:  # noqa: BLE001, RUF100 - whatever an own class raises: nothing was judged
            # The journal keeps type and place of the exception, not its text.
            logging.getLogger(f"guardrail.{hook.name}").warning("failed", exc_info=error)
            if hook.on_failure == "refuse":
                raise unavailable(context, hook.kind, hook.name) from None
            note(context, hook.kind, hook.name, "passed_on_failure")
        else:
            if reason is not None:
                raise refuse(context, hook.kind, hook.name, reason, answer=answer is not None)

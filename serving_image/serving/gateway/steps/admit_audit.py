"""Steps: is there room for this request's audit row? And, where text is audited, keep what the client sent."""

from __future__ import annotations

from serving.gateway.audit.tap import Tap
from serving.gateway.context import RequestContext


def admit_audit(context: RequestContext) -> None:
    """Hold room for the row before anything is forwarded; 503 when rows cannot be written."""
    log = context.policy.audit
    if log is not None:
        context.audit = log.admit(context)


def keep_prompt(context: RequestContext) -> None:
    """Before any step changes the body."""
    slot = context.audit
    if type(slot) is Tap:
        slot.keep_prompt(context.body)


def record_request(context: RequestContext, duration: float) -> None:
    """Finisher: the row. Probes of health and readiness are nobody's requests."""
    log = context.policy.audit
    if log is not None and context.endpoint != "health" and context.endpoint != "ready":
        log.finish(context, duration, context.audit)

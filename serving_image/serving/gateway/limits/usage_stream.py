"""Lets the gateway see a stream's usage when the client did not ask for it, without the client seeing a difference."""

from __future__ import annotations

import json
from typing import Any, cast

from serving.gateway.context import RequestContext
from serving.gateway.limits.usage_filter import UsageFilter

_ASK = b'"stream_options":{"include_usage":true},'


def ask_for_usage(context: RequestContext) -> None:
    """Step: make the engine report usage at the end of this stream, and remember to take it out again."""
    reservation = context.reservation
    if not context.stream or reservation is None or not reservation.quota.counts_tokens:
        return
    options: Any = context.document.get("stream_options")
    asked: dict[str, Any] = cast("dict[str, Any]", options) if type(options) is dict else {}
    if asked.get("include_usage") is True:
        return
    body = context.body
    if "stream_options" in context.document:
        # The standard library keeps whole numbers of any size, which orjson would turn into fractions.
        fields: dict[str, Any] = json.loads(body)
        fields["stream_options"] = {**asked, "include_usage": True}
        context.body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    else:
        start = body.index(b"{") + 1
        context.body = b"%b%b%b" % (body[:start], _ASK, body[start:])
    context.usage_filter = UsageFilter()

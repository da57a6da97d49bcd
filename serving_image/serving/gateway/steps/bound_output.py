"""Step: every request says how many tokens it may generate, and that is within the model's limit."""

from __future__ import annotations

import json
from typing import Any

from serving.gateway.bounds import check_count
from serving.gateway.context import RequestContext

# All names by which engines take the number. `n_predict` is llama.cpp's and would win over max_tokens there.
_NAMES = ("max_tokens", "max_completion_tokens", "n_predict", "min_tokens")


def bound_output(context: RequestContext) -> None:
    """Check the numbers, and write `max_tokens` into the body where the client left it out.

    Without it some engines generate until the context is full, and not every engine reads the newer
    `max_completion_tokens` on every endpoint: that number is then written under the name that all of them read.
    The rest of the body keeps its very bytes.
    """
    model = context.model
    if model is None or context.endpoint == "embeddings":
        return
    document = context.document
    limit = model.max_output_tokens
    for name in _NAMES:
        if name in document:
            check_count(document, name, limit, f"a whole number from 1 to {limit} for this model")
    if document.get("max_tokens") is not None:
        return
    wanted: int = document.get("max_completion_tokens") or limit
    if "max_tokens" in document:
        context.body = _replace_null(context.body, wanted)
    else:
        start = context.body.index(b"{") + 1
        context.body = b'%b"max_tokens":%d,%b' % (context.body[:start], wanted, context.body[start:])
    document["max_tokens"] = wanted


def _replace_null(body: bytes, wanted: int) -> bytes:
    """`max_tokens` is there as null. The standard library's parser keeps whole numbers of any size, which orjson
    would turn into fractions."""
    fields: dict[str, Any] = json.loads(body)
    fields["max_tokens"] = wanted
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

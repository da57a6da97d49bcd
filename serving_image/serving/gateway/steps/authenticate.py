"""Step: who is asking? API keys as `Authorization: Bearer KEY`."""

from __future__ import annotations

from serving.gateway.context import RequestContext
from serving.gateway.refusal import UNAUTHENTICATED

# No key of ours is longer; a megabyte in the header need not be hashed.
_LONGEST_KEY = 512


def authenticate(context: RequestContext) -> None:
    """Fill `context.client`, or refuse with the one constant 401."""
    header = context.authorization
    if header is None or header[:7].lower() != b"bearer " or len(header) > _LONGEST_KEY:
        raise UNAUTHENTICATED
    context.client = context.policy.client_with_key(header[7:].strip(b" "))
    if context.client is None:
        raise UNAUTHENTICATED

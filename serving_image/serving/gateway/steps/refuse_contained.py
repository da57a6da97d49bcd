"""Step: is this client, or the key that it shows, blocked in an incident?"""

from __future__ import annotations

from serving.gateway.containment import SUSPENDED
from serving.gateway.context import RequestContext


def refuse_contained(context: RequestContext) -> None:
    """One look at what the policy says."""
    client = context.client
    if client is not None and (client.suspended or context.key_id in context.policy.suspended_keys):
        raise SUSPENDED

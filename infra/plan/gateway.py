"""The gateway's configuration file, as the plan knows it: no key and no address of an engine is in it yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.plan.types import ClientPlan, ModelPlan

# One prompt of 128k tokens is about 0.5 MB of text; 4 MiB leaves room for tools, JSON escapes and images by value.
BODY_BYTES = 4 * 1024 * 1024
MESSAGES = 2048
CHOICES = 8
CONNECT_SECONDS = 5
# Longer than the idle reuse of common front ends and client pools, which must be the ones to close first.
KEEP_ALIVE_SECONDS = 75


def gateway_config(models: Mapping[str, ModelPlan], clients: Mapping[str, ClientPlan]) -> dict[str, Any]:
    """The file's content. Upstreams and key hashes are added by whoever knows them: launcher and deployment."""
    return {
        "version": 1,
        "models": {
            name: {
                "upstreams": [],
                "context_tokens": model.context_tokens,
                "max_output_tokens": model.max_output_tokens,
                "endpoints": list(model.container.endpoints),
                "longest_generation_seconds": model.drain.longest_generation_seconds,
            }
            for name, model in models.items()
        },
        "clients": {
            name: {
                "key_sha256": [],
                "models": [model for model in client.models if model in models],
                "requests_per_minute": client.requests_per_minute,
            }
            for name, client in clients.items()
        },
        "limits": {
            "body_bytes": BODY_BYTES,
            "messages": MESSAGES,
            "choices": CHOICES,
            "connect_seconds": CONNECT_SECONDS,
            "keep_alive_seconds": KEEP_ALIVE_SECONDS,
        },
    }

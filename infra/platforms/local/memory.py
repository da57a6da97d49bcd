"""Whether the machine holds what a site runs: once, or the plan refuses; twice, as in a change, or it warns."""

from __future__ import annotations

from collections.abc import Iterator

from infra.plan.types import ModelPlan
from infra.platforms.base import SiteRequest
from infra.problems import Problem

# llama.cpp's buffers: logits of a batch of 512 tokens over 152,000 words (Qwen) in 32 bits are 0.29 GiB, and an engine
# with SmolLM2-135M takes up to 0.25 GiB beyond weights and cache (measured here, 2026-11-26).
ENGINE_GIB = 0.6
# Launcher and gateway: 66 and 71 MB (measured here, 2026-11-26).
SITE_GIB = 0.15


def memory_problems(request: SiteRequest, most_gib: int | None) -> Iterator[Problem]:
    """More than the machine may give, as far as it is known what models take."""
    needed = _needed(request)
    if most_gib is None or needed <= most_gib:
        return
    models = "; ".join(f"`{name}` {_told(model)}" for name, model in request.models.items())
    yield Problem(
        where=f"{request.where}.platform.memory_gibibytes",
        found=f"{most_gib}, and at least {needed:.1f} GiB are needed: {models}",
        allowed="room for weights, KV cache and buffers of every model that runs there",
        remedy="take a smaller or more quantised model, less `context_tokens` or `concurrent_requests`, or fewer "
        "`models` there; or say more, if the machine has it",
    )


def memory_warnings(request: SiteRequest, most_gib: int | None) -> Iterator[str]:
    """What a change needs, and what nobody knows."""
    if most_gib is None:
        return
    if unknown := [name for name, model in request.models.items() if model.operation.stored_gib is None]:
        yield (
            f"site `{request.site}`: nobody knows how large {', '.join(f'`{name}`' for name in unknown)} "
            f"{'is' if len(unknown) == 1 else 'are'}, so whether {most_gib} GiB hold it is not checked"
        )
    if 2 * _needed(request) > most_gib:
        yield (
            f"site `{request.site}`: {most_gib} GiB hold the models once and not twice: a change, which runs the new "
            "beside the old, needs the site taken down first"
        )


def _needed(request: SiteRequest) -> float:
    return SITE_GIB + sum(_of_model(model) for model in request.models.values())


def _of_model(model: ModelPlan) -> float:
    """On GPUs, weights and cache are in their memory, which has a check of its own."""
    held = model.operation
    if held.memory_gib is not None:
        return held.memory_gib
    return ENGINE_GIB + (0.0 if model.accelerator else (held.stored_gib or 0.0) + (held.host_kv_cache_gib or 0.0))


def _told(model: ModelPlan) -> str:
    held, tokens = model.operation, model.context_tokens * model.concurrent_requests
    if held.memory_gib is not None or model.accelerator or held.stored_gib is None:
        return f"{_of_model(model):.1f}"
    cache = held.host_kv_cache_gib or 0.0
    return f"{_of_model(model):.1f} (weights {held.stored_gib:.1f}, KV cache of {tokens} tokens {cache:.1f})"

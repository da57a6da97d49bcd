"""What the gateway would refuse, or could only do badly, refused in the plan: relations between models and clients."""

from __future__ import annotations

from collections.abc import Iterator

from infra.config import DEPLOYMENT_KEY, ModelSettings, RemoteModelSettings, StackConfig
from infra.explain import dotted
from infra.gateway.routing import QueueSettings
from infra.plan.gateway import queue_of
from infra.plan.releases import others_of
from infra.problems import Problem

AnyModel = ModelSettings | RemoteModelSettings


def gateway_problems(config: StackConfig) -> Iterator[Problem]:
    """Everything that types and names alone cannot tell."""
    models = config.every_model
    for name, model in models.items():
        where = dotted(DEPLOYMENT_KEY, ("models" if name in config.models else "remote_models", name))
        yield from _waiting(where, model)
        for index, other in enumerate(model.fallbacks):
            yield from _smaller(f"{where}.fallbacks[{index}]", model, other, models)
        if model.release is not None:
            yield from _smaller(f"{where}.release.candidate", model, model.release.candidate, models)
        if model.routes is not None:
            for route, share in model.routes.to.items():
                yield from _smaller(dotted(f"{where}.routes.to", (route, "model")), model, share.model, models)
            if not any(share.weight for share in model.routes.to.values()):
                yield Problem(
                    where=f"{where}.routes.to",
                    found="weights that are all 0",
                    allowed="at least one above 0",
                    remedy="raise the weight of the route that shall serve",
                )
    for name, model in config.remote_models.items():
        yield from output_problems(dotted(DEPLOYMENT_KEY, ("remote_models", name)), model)
    store = config.gateway.audit.object_store if config.gateway.audit else None
    if store is not None and (store.access_key is None) != (store.secret_key is None):
        yield Problem(
            where=f"{DEPLOYMENT_KEY}.gateway.audit.object_store",
            found="one of `access_key` and `secret_key`",
            allowed="both of them, or none",
            remedy="name the other one too",
        )


def output_problems(where: str, model: AnyModel) -> Iterator[Problem]:
    """An answer as long as the context leaves no room for the prompt."""
    if model.max_output_tokens is not None and model.max_output_tokens >= model.context_tokens:
        yield Problem(
            where=f"{where}.max_output_tokens",
            found=f"{model.max_output_tokens}, with {model.context_tokens} `context_tokens`",
            allowed=f"1 to {model.context_tokens - 1}: the prompt needs room too",
            remedy="raise `context_tokens` or lower `max_output_tokens`",
        )


def longest_wait(name: str, config: StackConfig) -> int:
    """Seconds that a request for this model may wait in the gateway before an engine gets it, whole ones."""
    models = config.every_model
    model = models[name]
    waits = [0.0]
    for other in (model, *(models[route] for route in others_of(model))):
        # A site that hands on what is too much lets its engines have no more than they take at once.
        queue = queue_of(other) or (QueueSettings() if config.topology.overflow_rule else None)
        waits += [waiting.seconds for waiting in (queue, other.hold) if waiting is not None]
    return -int(-config.topology.longest_wait(max(waits)) // 1)


def _waiting(where: str, model: AnyModel) -> Iterator[Problem]:
    if model.task != "embed":
        return
    if model.queue is not None:
        yield Problem(
            where=f"{where}.queue",
            found="a queue, with `task: embed`",
            allowed="a queue for models that generate: an engine answers the embeddings that it has together, at once",
            remedy="remove `queue`",
        )
    if model.hold is not None and "keep_alive_seconds" in model.hold.model_fields_set:
        yield Problem(
            where=f"{where}.hold.keep_alive_seconds",
            found="signs of life, with `task: embed`",
            allowed="signs of life in streams: an embedding is one answer, which nothing can go before",
            remedy="remove `keep_alive_seconds`, and keep `hold.seconds` below the idle time of what stands in front",
        )


def _smaller(where: str, model: AnyModel, name: str, models: dict[str, AnyModel]) -> Iterator[Problem]:
    """A model that serves instead must be able to take whatever this one takes: found out now, not at night."""
    other = models[name]
    lacks = [
        text
        for text, less in (
            ("another `task`", other.task != model.task),
            (f"only {other.context_tokens} `context_tokens`", other.context_tokens < model.context_tokens),
            (
                f"only {other.longest_answer_tokens} `max_output_tokens`",
                other.longest_answer_tokens < model.longest_answer_tokens,
            ),
        )
        if less
    ]
    if lacks:
        yield Problem(
            where=where,
            found=f"`{name}`, which has {' and '.join(lacks)}",
            allowed=f"a model that can take every request that this one takes: `task: {model.task}`, "
            f"{model.context_tokens} `context_tokens`, {model.longest_answer_tokens} `max_output_tokens`",
            remedy="choose another model, or give both the same",
        )

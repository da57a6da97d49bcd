"""Step: which model, may this client use it, and does it offer this endpoint?"""

from __future__ import annotations

from serving.gateway.containment import MODEL_SUSPENDED
from serving.gateway.context import RequestContext
from serving.gateway.refusal import MODEL_NOT_FOUND, Refusal, four_parts, out_of_bounds


def access_model(context: RequestContext) -> None:
    """Fill `context.model` and `context.stream`."""
    name = context.document.get("model")
    if type(name) is not str:
        raise out_of_bounds(
            "model",
            "nothing" if name is None else f"a value of type {type(name).__name__}",
            "a model's name as a string",
            "Name one of the models listed by GET /v1/models.",
        )
    client = context.client
    model = client.models.get(name) if client else None
    if model is None:
        raise MODEL_NOT_FOUND
    if model.suspended:
        raise MODEL_SUSPENDED
    context.model = model
    context.model_name = model.name
    context.model_digest = model.digest
    if context.endpoint not in model.endpoints:
        raise Refusal(
            400,
            "endpoint_not_offered",
            four_parts(
                "endpoint",
                f"{context.endpoint}, which the model {model.name} does not offer",
                ", ".join(sorted(model.endpoints)),
                "Use one of those endpoints, or a model that offers this one.",
            ),
            param="model",
        )
    stream = context.document.get("stream")
    if stream is not None and type(stream) is not bool:
        raise out_of_bounds(
            "stream", f"a value of type {type(stream).__name__}", "true or false", "Set it to one of those."
        )
    context.stream = stream is True and context.endpoint != "embeddings"

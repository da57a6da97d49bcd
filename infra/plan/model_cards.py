"""Cards of models: what is served, by which licence, from whom; and licences that nobody has allowed."""

from __future__ import annotations

from collections.abc import Iterator

from infra.catalog.models import find_model
from infra.config import DEPLOYMENT_KEY, ModelSettings, StackConfig
from infra.explain import dotted
from infra.model_card import PERMISSIVE
from infra.plan.card_types import ModelCard
from infra.plan.stored_weights import known_name, stored_precision
from infra.plan.types import DeploymentPlan, Weights
from infra.problems import Problem, listing
from infra.sizing.precision import Precision
from infra.sources import SOURCES


def model_card(settings: ModelSettings, weights: Weights) -> ModelCard:
    """Of what its user says and the catalogue knows."""
    said, known = settings.card, find_model(known_name(settings.source))
    name = known_name(settings.source)
    stored = known and stored_precision(settings.engine.kind, known, name, weights.file or name)
    return ModelCard(
        source=weights.location,
        file=weights.file,
        version=weights.revision or weights.sha256,
        license=said.license or (known.license if known else None),
        # What somebody else made of it, they publish as they like.
        gated=known.gated != "no" if known and known.model == weights.location else None,
        quantization=settings.quantization or (stored.name if isinstance(stored, Precision) else None),
        parent=said.parent or (known.model if known and known.model != weights.location else None),
        made_by=said.made_by,
        trained_on=said.trained_on,
        evaluated=said.evaluated,
    )


def short_version(weights: Weights) -> str:
    """What tells these weights from others, for who reads a table."""
    return (weights.revision or weights.sha256 or weights.location)[:12]


def license_problems(config: StackConfig) -> Iterator[Problem]:
    """A licence that asks for more than most do is somebody's decision. Of an unknown one nothing can be said here."""
    allowed = (*PERMISSIVE, *config.licenses)
    for name, settings in config.models.items():
        card = model_card(settings, SOURCES[settings.source.kind].weights(settings.source))
        if card.license is not None and card.license not in allowed:
            yield Problem(
                where=dotted(DEPLOYMENT_KEY, ("models", name, "source")),
                found=f"`{card.source}`, by the licence `{card.license}`",
                allowed=f"the licences {listing(allowed)}",
                remedy=f"read it; if its terms are met, add it: `licenses: [{card.license}]`",
            )


def locked_out(plan: DeploymentPlan, token: str) -> Iterator[str]:
    """What to know before weights are fetched that their publisher gives to whom he knows."""
    for name, model in plan.models.items():
        if model.card and model.card.gated and not token:
            yield (
                f"model `{name}`: `{model.card.source}` is gated, and `slipway:huggingface_token` is not set: where "
                "its weights are fetched from there, no engine will start. Accept its licence on its page, then "
                "`pulumi config set --secret slipway:huggingface_token`"
            )

"""Cards of the models: from whom they are, which version, by which licence."""

from __future__ import annotations

from infra.plan.card_types import ModelCard
from infra.plan.model_cards import short_version
from infra.plan.types import DeploymentPlan
from infra.report.section import Depth, Section, Table

ACCESS = {True: "gated", False: "open", None: "not known"}


def cards(plan: DeploymentPlan) -> Section | None:
    """One row each."""
    rows = [
        (name, card.source, short_version(model.weights), card.license or "not known", ACCESS[card.gated], made(card))
        for name, model in plan.models.items()
        if (card := model.card)
    ]
    if not rows:
        return None
    header = ("model", "from", "version", "licence", "access", "made")
    return Section(name="cards", title="Model cards", tables=(Table(header=header, rows=rows),), depth=Depth.LONG)


def made(card: ModelCard) -> str:
    """How, as far as anybody says."""
    said = (
        card.quantization,
        card.parent and f"from {card.parent}",
        card.made_by,
        card.trained_on and f"on {card.trained_on}",
        card.evaluated and f"evaluated: {card.evaluated}",
    )
    return "; ".join(text for text in said if text)

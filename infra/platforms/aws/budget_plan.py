"""The budget that AWS itself watches for a site: it tells when a month gets dear, and stops nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.platforms.base import SiteRequest

STACK_TAG = "slipway:stack"
# What was spent, and what AWS expects of the whole month, in percent of the budget.
TOLD_AT = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))


@dataclass(frozen=True, kw_only=True)
class BudgetPlan:
    """Counts what has the tag; AWS does so only where the tag is activated for cost allocation. `told_at` are kinds of
    figure and percent. `topic` None: nobody is told, and it is seen in the console alone."""

    dollars_per_month: float
    tags: Mapping[str, str]
    told_at: tuple[tuple[str, int], ...]
    topic: str | None

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        told = "a topic of SNS hears" if self.topic else "the console shows"
        return f"${self.dollars_per_month:,.0f} a month: {told} when it is nearly spent; nothing is stopped"


def budget_plan(request: SiteRequest, topics: Sequence[str]) -> BudgetPlan | None:
    """None where the deployment has no budget. The whole of it for each stack: no site knows what others spend."""
    if request.budget_dollars_per_month is None:
        return None
    return BudgetPlan(
        dollars_per_month=request.budget_dollars_per_month,
        tags={STACK_TAG: request.stack},
        told_at=TOLD_AT,
        # AWS takes one topic for a notification (AWS Budgets quotas).
        topic=next(iter(topics), None),
    )

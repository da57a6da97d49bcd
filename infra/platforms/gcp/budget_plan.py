"""The budget that Google itself watches for a site: it tells when a month gets dear, and stops nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.platforms.base import SiteRequest
from infra.platforms.gcp.config import GcpSettings

STACK_LABEL = "slipway-stack"
# What was spent, and what Google expects of the whole month, in parts of the budget.
TOLD_AT = (("CURRENT_SPEND", 0.8), ("CURRENT_SPEND", 1.0), ("FORECASTED_SPEND", 1.0))


@dataclass(frozen=True, kw_only=True)
class BudgetPlan:
    """Counts what has the labels. `told_at` are kinds of figure and parts of the budget; `channels` hear of it, and
    without one the administrators of the billing account."""

    billing_account: str
    dollars_per_month: float
    labels: Mapping[str, str]
    told_at: tuple[tuple[str, float], ...]
    channels: tuple[str, ...]

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        told = "channels of monitoring hear" if self.channels else "the billing account's administrators hear"
        return f"${self.dollars_per_month:,.0f} a month: {told} when it is nearly spent; nothing is stopped"


def budget_plan(request: SiteRequest, settings: GcpSettings, label: str) -> BudgetPlan | None:
    """None where the deployment has no budget, or nobody said which account pays. The whole of it for each stack: no
    site knows what others spend."""
    if request.budget_dollars_per_month is None or settings.billing_account is None:
        return None
    return BudgetPlan(
        billing_account=settings.billing_account,
        dollars_per_month=request.budget_dollars_per_month,
        labels={STACK_LABEL: label},
        told_at=TOLD_AT,
        channels=tuple(settings.notification_channels),
    )

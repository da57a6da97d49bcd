"""Deploys the budget that Google watches."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.budget_plan import BudgetPlan

billing = gcp.billing


class Budget(pulumi.ComponentResource):
    """Owns a budget of each month and what is told of it. It does not act: who serves is not stopped by a bill."""

    def __init__(
        self,
        name: str,
        plan: BudgetPlan,
        *,
        number: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Budget", name, None, opts)
        billing.Budget(
            name,
            billing_account=plan.billing_account,
            display_name=name,
            amount=billing.BudgetAmountArgs(
                specified_amount=billing.BudgetAmountSpecifiedAmountArgs(
                    currency_code="USD", units=str(round(plan.dollars_per_month))
                )
            ),
            budget_filter=billing.BudgetBudgetFilterArgs(
                projects=[number.apply(lambda known: f"projects/{known}")],
                labels=dict(plan.labels),
                calendar_period="MONTH",
            ),
            threshold_rules=[
                billing.BudgetThresholdRuleArgs(spend_basis=kind, threshold_percent=part) for kind, part in plan.told_at
            ],
            all_updates_rule=billing.BudgetAllUpdatesRuleArgs(
                monitoring_notification_channels=[*plan.channels], disable_default_iam_recipients=True
            )
            if plan.channels
            else None,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

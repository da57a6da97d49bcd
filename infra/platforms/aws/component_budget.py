"""Deploys the budget that AWS watches."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.budget_plan import BudgetPlan

budgets = aws.budgets


class Budget(pulumi.ComponentResource):
    """Owns a budget of each month and what is told of it. It does not act: who serves is not stopped by a bill."""

    def __init__(self, name: str, plan: BudgetPlan, *, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:aws:Budget", name, None, opts)
        budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{plan.dollars_per_month:.2f}",
            limit_unit="USD",
            cost_filters=[
                budgets.BudgetCostFilterArgs(
                    name="TagKeyValue", values=[f"user:{tag}${value}" for tag, value in plan.tags.items()]
                )
            ],
            notifications=[
                budgets.BudgetNotificationArgs(
                    notification_type=kind,
                    comparison_operator="GREATER_THAN",
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                    subscriber_sns_topic_arns=[plan.topic],
                )
                for kind, percent in plan.told_at
                if plan.topic
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

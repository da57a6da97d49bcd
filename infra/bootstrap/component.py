"""Deploys day one on AWS: keys, state, images, who may deploy what from GitHub, and who hears of its cost."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.bootstrap.component_role import GithubRole
from infra.bootstrap.component_runner import Runner
from infra.bootstrap.plan import (
    AUDIENCE,
    FORECAST_PERCENT,
    GITHUB,
    PATH,
    SECRETS_ALIAS,
    SPENT_PERCENT,
    BootstrapPlan,
    BudgetPlan,
)
from infra.bootstrap.rights import STACK_TAG
from infra.platforms.aws.component_bucket import PrivateBucket
from infra.platforms.aws.component_keys import DELETION_DAYS
from infra.platforms.aws.component_registry import Registry
from infra.platforms.aws.policies import Statement, bucket_logs, key_policy, logs_use_key

# State is small, and the way back is as long as this; who asked for it is kept for a year.
OLD_STATE_DAYS, OLD_LOGS_DAYS, KEEP_LOGS_DAYS = 365, 7, 365


class Bootstrap(pulumi.ComponentResource):
    """Owns what every other stack of the account needs before it. `backend_url` and `secrets_provider` are what Pulumi
    is told, `role_arns` are by environment of GitHub."""

    def __init__(self, name: str, plan: BootstrapPlan, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:bootstrap:Bootstrap", name, None, opts)
        self._name, self._plan = name, plan
        provider = aws.Provider(
            f"{name}-aws",
            region=plan.region,
            # With credentials of another account nothing is made.
            allowed_account_ids=[plan.account],
            default_tags=aws.ProviderDefaultTagsArgs(tags=dict(plan.tags)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._child = pulumi.ResourceOptions(parent=self, providers=[provider])
        # With all that makes them private: a refused `pulumi destroy` removes whatever is not protected itself.
        self._kept = pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(protect=plan.protected))
        state_key, secrets_key = self._key("state", "State of stacks"), self._key("secrets", "Secrets in that state")
        aws.kms.Alias(f"{name}-secrets", name=SECRETS_ALIAS, target_key_id=secrets_key, opts=self._kept)
        state = self._state(state_key)
        Registry(
            f"{name}-registry",
            plan.repositories,
            key_arn=self._key("images", "Images"),
            protected=plan.protected,
            opts=self._kept,
        )
        self.role_arns = self._roles(state, [state_key, secrets_key])
        for budget in plan.budgets:
            self._budget(budget)
        self.runner = self._runner()
        self.backend_url = pulumi.Output.concat("s3://", state.bucket, f"?region={plan.region}")
        self.secrets_provider = f"awskms://{SECRETS_ALIAS}?region={plan.region}"
        self.register_outputs({"backend_url": self.backend_url})

    def _key(self, use: str, description: str, *uses: Statement) -> pulumi.Output[str]:
        """One for each use, so that whoever may use one cannot read what another protects."""
        key = aws.kms.Key(
            f"{self._name}-{use}",
            description=f"{description} ({self._name})",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_DAYS,
            policy=key_policy(self._plan.account, *uses),
            opts=self._kept,
        )
        return key.arn

    def _state(self, key_arn: pulumi.Output[str]) -> PrivateBucket:
        logs = PrivateBucket(
            f"{self._name}-logs",
            name_prefix="slipway-bootstrap-logs-",
            key_arn=None,  # S3 itself writes with no other key than AWS'
            logged_to=None,
            old_versions_days=OLD_LOGS_DAYS,
            keep_days=KEEP_LOGS_DAYS,
            protected=self._plan.protected,
            statements=[bucket_logs(self._plan.account)],
            opts=self._kept,
        )
        return PrivateBucket(
            f"{self._name}-state",
            name_prefix="slipway-bootstrap-state-",
            key_arn=key_arn,
            logged_to=logs.bucket,
            old_versions_days=OLD_STATE_DAYS,
            keep_days=None,
            protected=self._plan.protected,
            opts=self._kept,
        )

    def _roles(self, state: PrivateBucket, key_arns: list[pulumi.Output[str]]) -> Mapping[str, pulumi.Output[str]]:
        github = aws.iam.OpenIdConnectProvider(
            f"{self._name}-github", url=f"https://{GITHUB}", client_id_lists=[AUDIENCE], opts=self._kept
        )
        boundaries = [
            aws.iam.Policy(
                f"{self._name}-boundary-{stack}",
                name=stack,
                path=PATH,
                description=f"The most that a role of stack {stack} may do.",
                policy=document,
                opts=self._kept,
            )
            for stack, document in self._plan.boundaries.items()
        ]
        roles = {
            planned.environment: GithubRole(
                f"{self._name}-{planned.environment}",
                planned,
                bucket_arn=state.arn,
                key_arns=key_arns,
                opts=pulumi.ResourceOptions.merge(
                    self._child, pulumi.ResourceOptions(depends_on=[github, *boundaries])
                ),
            )
            for planned in self._plan.roles
        }
        return {environment: role.arn for environment, role in roles.items()}

    def _budget(self, planned: BudgetPlan) -> None:
        """Tells, and stops nothing: what serves goes on when it is dearer than was thought."""
        kinds = (("ACTUAL", SPENT_PERCENT), ("FORECASTED", FORECAST_PERCENT))
        aws.budgets.Budget(
            f"{self._name}-budget-{planned.stack}",
            budget_type="COST",
            limit_amount=str(planned.dollars),
            limit_unit="USD",
            time_unit="MONTHLY",
            cost_filters=[
                aws.budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{STACK_TAG}${planned.stack}"])
            ],
            notifications=[
                aws.budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                    subscriber_email_addresses=[*planned.notify],
                )
                for kind, percent in kinds
            ],
            opts=self._child,
        )

    def _runner(self) -> pulumi.Output[str] | None:
        plan = self._plan
        if plan.runner is None:
            return None
        runner = Runner(
            f"{self._name}-runner",
            plan.runner,
            account=plan.account,
            region=plan.region,
            repository=plan.repository,
            logs_key_arn=self._key("logs", "Logs of the runner", logs_use_key(plan.region, plan.account)),
            opts=self._child,
        )
        return runner.project

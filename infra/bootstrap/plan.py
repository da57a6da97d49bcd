"""Everything that day one makes, decided without a cloud: names, roles, who may take them, what each may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.bootstrap.config import BootstrapSettings, RunnerSettings
from infra.bootstrap.deploy_rights import boundary, deploying, looking
from infra.bootstrap.rights import STACK_TAG, packed
from infra.bootstrap.stack_names import StackName, stack_names
from infra.platforms.aws.policies import document

# Names of IAM that no name of a stack begins like: rights on `role/slipway-…` are none on what is under this path.
PATH = "/slipway-bootstrap/"
GITHUB = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
SECRETS_ALIAS = "alias/slipway-pulumi"
RUNNER_PROJECT = "slipway-deploy"
# As long as the workflow's job may take.
SESSION_SECONDS = 2 * 60 * 60
SPENT_PERCENT, FORECAST_PERCENT = 80, 100


@dataclass(frozen=True, kw_only=True)
class RolePlan:
    """A role that one environment of GitHub may take, and the documents of what it may do. `writes_state` says
    whether it keeps the stack's state or only reads it."""

    stack: str
    environment: str
    trusted: str
    documents: tuple[str, ...]
    writes_state: bool


@dataclass(frozen=True, kw_only=True)
class BudgetPlan:
    """What a stack may cost in a month, and who hears of it."""

    stack: str
    dollars: int
    notify: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BootstrapPlan:
    """Day one of one account. `boundaries` are documents by stack, `repositories` names of repositories of images."""

    account: str
    region: str
    repository: str
    roles: tuple[RolePlan, ...]
    boundaries: Mapping[str, str]
    repositories: tuple[str, ...]
    budgets: tuple[BudgetPlan, ...]
    runner: RunnerSettings | None
    protected: bool
    tags: Mapping[str, str]

    @property
    def boundary_arns(self) -> Mapping[str, str]:
        """What a stack's own settings name as `permissions_boundary`."""
        return {stack: boundary_arn(self.account, stack) for stack in self.boundaries}

    @property
    def repository_urls(self) -> Mapping[str, str]:
        """Where images are pushed to."""
        return {name: f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{name}" for name in self.repositories}


def boundary_arn(account: str, stack: str) -> str:
    """By name, so that a deployment's own settings may name it before it is made."""
    return f"arn:aws:iam::{account}:policy{PATH}{stack}"


def bootstrap_plan(config: BootstrapSettings) -> BootstrapPlan:
    """Decides it."""
    names = {stack: [one for one in stack_names(config) if one.stack == stack] for stack in config.stacks}
    return BootstrapPlan(
        account=config.account_id,
        region=config.region,
        repository=config.repository,
        roles=tuple(role for stack in config.stacks for role in _roles(config, stack, names[stack])),
        boundaries={
            stack: boundary(stack, names[stack], config.account_id, settings)
            for stack, settings in config.stacks.items()
        },
        repositories=tuple(f"slipway/{image}" for image in sorted({*config.images})),
        budgets=tuple(
            BudgetPlan(stack=name, dollars=stack.budget_dollars_per_month, notify=tuple(config.notify))
            for name, stack in config.stacks.items()
            if stack.budget_dollars_per_month
        ),
        runner=config.runner,
        protected=config.deletion_protection,
        tags={**config.tags, STACK_TAG: "bootstrap"},
    )


def _roles(config: BootstrapSettings, stack: str, names: list[StackName]) -> tuple[RolePlan, RolePlan]:
    settings, account = config.stacks[stack], config.account_id
    bound = boundary_arn(account, stack)
    deploy = [one for name in names for one in deploying(name, settings, account, bound)]
    drift = [one for name in names for one in looking(name, settings, account)]
    return (
        RolePlan(
            stack=stack,
            environment=f"deploy-{stack}",
            trusted=github_trust(account, config.repository, f"deploy-{stack}"),
            documents=tuple(packed(deploy)),
            writes_state=True,
        ),
        RolePlan(
            stack=stack,
            environment=f"drift-{stack}",
            trusted=github_trust(account, config.repository, f"drift-{stack}"),
            documents=tuple(packed(drift)),
            writes_state=False,
        ),
    )


def github_trust(account: str, repository: str, environment: str) -> str:
    """Jobs of one environment of one repository: its reviewers and branches are who decides. Both claims are compared
    whole, so that neither a fork nor a branch that is called like an environment is let in."""
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{GITHUB}"},
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {
                "StringEquals": {
                    f"{GITHUB}:aud": AUDIENCE,
                    f"{GITHUB}:sub": f"repo:{repository}:environment:{environment}",
                }
            },
        }
    )

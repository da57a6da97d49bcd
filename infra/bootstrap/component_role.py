"""Deploys a role that jobs of one environment of GitHub take, for minutes and without a stored key."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.bootstrap.deploy_rights import keeps_state
from infra.bootstrap.plan import PATH, SESSION_SECONDS, RolePlan


class GithubRole(pulumi.ComponentResource):
    """Owns the role and its policies; `arn` is what its environment is told."""

    def __init__(
        self,
        name: str,
        plan: RolePlan,
        *,
        bucket_arn: pulumi.Output[str],
        key_arns: Sequence[pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:bootstrap:GithubRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            name=f"slipway-{plan.environment}",
            path=PATH,
            description=f"Environment {plan.environment} on GitHub.",
            assume_role_policy=plan.trusted,
            max_session_duration=SESSION_SECONDS,
            opts=child,
        )
        for place, document in enumerate(plan.documents):
            policy = aws.iam.Policy(f"{name}-{place}", path=PATH, policy=document, opts=child)
            aws.iam.RolePolicyAttachment(f"{name}-{place}", role=role.name, policy_arn=policy.arn, opts=child)
        state = pulumi.Output.all(bucket_arn, *key_arns).apply(
            lambda known: keeps_state(plan.stack, known[0], known[1:], writes=plan.writes_state)
        )
        aws.iam.RolePolicy(f"{name}-state", role=role.id, policy=state, opts=child)
        self.arn = role.arn
        self.register_outputs({"arn": self.arn})

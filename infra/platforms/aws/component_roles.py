"""Deploys roles of AWS: who may take one, and the policies that it has."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.policies import ACCOUNT_ROLES


def role(
    name: str,
    *,
    bounds: RoleBounds,
    trusted: pulumi.Input[str],
    policies: Sequence[str] = (),
    opts: pulumi.ResourceOptions,
) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
    """A role with policies of AWS. Whoever takes it must wait for these."""
    made = aws.iam.Role(
        name,
        name_prefix=bounds.name_prefix,
        permissions_boundary=bounds.boundary_arn,
        assume_role_policy=trusted,
        opts=opts,
    )
    attached: list[pulumi.Resource] = [
        aws.iam.RolePolicyAttachment(
            f"{name}-{policy.rpartition('/')[2]}", role=made.name, policy_arn=f"{ACCOUNT_ROLES}/{policy}", opts=opts
        )
        for policy in policies
    ]
    return made, attached

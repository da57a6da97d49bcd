"""Deploys who the machines of a cluster are: an account of their own, with the least that a node needs."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp


class NodeAccount(pulumi.ComponentResource):
    """Owns the account and its roles on the project. No pod is ever it: pods have identities of their own. `email` is
    known when it has its roles."""

    def __init__(
        self,
        name: str,
        account: str,
        roles: Sequence[str],
        *,
        project: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:NodeAccount", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        own = gcp.serviceaccount.Account(
            name, account_id=account, display_name="Nodes of a cluster of slipway", opts=child
        )
        self.member = own.email.apply(lambda email: f"serviceAccount:{email}")
        given = [
            gcp.projects.IAMMember(
                f"{name}-{role.rpartition('.')[2]}", project=project, role=role, member=self.member, opts=child
            ).id
            for role in roles
        ]
        self.email = pulumi.Output.all(own.email, *given).apply(lambda known: str(known[0]))
        self.register_outputs({"email": self.email})

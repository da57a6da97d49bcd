"""Deploys who watches a site from outside of its cluster: a workspace of Prometheus, its rules, and AWS' collector."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.component_grafana import Grafana
from infra.platforms.aws.names import RoleBounds
from infra.platforms.aws.prometheus_plan import PrometheusPlan

amp = aws.amp


class Prometheus(pulumi.ComponentResource):
    """Owns the collector, the rules, and the workspace where it is the site's own, with whom its alerts call; and who
    shows it, where somebody wants that. The
    collector is in the nodes' security group: pods let it in by a network policy, and AWS gives it an access entry."""

    def __init__(
        self,
        name: str,
        plan: PrometheusPlan,
        *,
        cluster_arn: pulumi.Input[str],
        roles: RoleBounds,
        subnet_ids: Sequence[pulumi.Input[str]],
        security_group_id: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Prometheus", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        workspace_arn: pulumi.Input[str]
        workspace_id: pulumi.Input[str]
        if plan.workspace_arn is None:
            workspace_arn, workspace_id = self._workspace(name, plan, key_arn)
        else:
            workspace_arn, workspace_id = plan.workspace_arn, plan.workspace_arn.rpartition("/")[2]
        amp.RuleGroupNamespace(f"{name}-rules", workspace_id=workspace_id, data=plan.rules, opts=self._child)
        eks = amp.ScraperSourceEksArgs(
            cluster_arn=cluster_arn, subnet_ids=[*subnet_ids], security_group_ids=[security_group_id]
        )
        amp.Scraper(
            f"{name}-collector",
            alias=name,
            source=amp.ScraperSourceArgs(eks=eks),
            destination=amp.ScraperDestinationArgs(amp=amp.ScraperDestinationAmpArgs(workspace_arn=workspace_arn)),
            scrape_configuration=plan.scrape_configuration,
            opts=self._child,
        )
        if plan.grafana:
            Grafana(
                f"{name}-grafana",
                plan.grafana,
                prometheus_arn=workspace_arn,
                cluster_arn=cluster_arn,
                roles=roles,
                opts=self._child,
            )
        self.register_outputs({"workspace_arn": workspace_arn})

    def _workspace(
        self, name: str, plan: PrometheusPlan, key_arn: pulumi.Input[str]
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        own = amp.Workspace(f"{name}-workspace", alias=name, kms_key_arn=key_arn, opts=self._child)
        if plan.calls:
            amp.AlertManagerDefinition(f"{name}-calls", workspace_id=own.id, definition=plan.calls, opts=self._child)
        return own.arn, own.id

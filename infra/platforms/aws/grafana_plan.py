"""Amazon Managed Grafana for a site: who signs in, the role that it reads metrics with, and what it may not."""

from __future__ import annotations

import json
from dataclasses import dataclass

from infra.platforms.aws.grafana_settings import GrafanaSettings
from infra.platforms.aws.policies import allow, document, trust

# The last whose own data source of Prometheus signs as AWS wants it; later ones want a plugin of their own for it (that
# plugin's page, and the versions that the resource names, read 2026-11).
VERSION = "10.4"
# What its data source of Prometheus asks (its documentation, read 2026-11).
READS = ("aps:GetLabels", "aps:GetMetricMetadata", "aps:GetSeries", "aps:QueryMetrics")
# Nobody installs code into it, and alerts are those of the workspace that it reads.
CONFIGURATION = json.dumps({"plugins": {"pluginAdminEnabled": False}, "unifiedAlerting": {"enabled": False}})


@dataclass(frozen=True, kw_only=True)
class GrafanaPlan:
    """The workspace. Groups are ids of IAM Identity Center; how many use it in a month is for the price."""

    version: str
    configuration: str
    administrators: tuple[str, ...]
    viewers: tuple[str, ...]
    administrator_users: int
    viewer_users: int

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        count = len({*self.administrators, *self.viewers})
        groups = f"{count} group{'s' if count > 1 else ''} of IAM Identity Center"
        return f"Grafana {self.version} shows it to {groups}, once somebody has put in its data source and dashboards"


def grafana_plan(settings: GrafanaSettings | None) -> GrafanaPlan | None:
    """None where nobody wants one."""
    if settings is None:
        return None
    return GrafanaPlan(
        version=VERSION,
        configuration=CONFIGURATION,
        administrators=tuple(settings.administrators),
        viewers=tuple(settings.viewers),
        administrator_users=settings.administrator_users,
        viewer_users=settings.viewer_users,
    )


def workspaces_trust(account: str, region: str) -> str:
    """A role for workspaces of Grafana of this account and region alone."""
    return trust(
        "grafana.amazonaws.com",
        StringEquals={"aws:SourceAccount": account},
        StringLike={"aws:SourceArn": f"arn:aws:grafana:{region}:{account}:/workspaces/*"},
    )


def reads_metrics(workspace_arn: str) -> str:
    """Of one workspace of Prometheus, and nothing else."""
    return document(allow("Read", READS, [workspace_arn]))

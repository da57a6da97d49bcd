"""Amazon Managed Service for Prometheus for a site: what its collector asks of pods, and the rules of the workspace.

No operator is in the cluster: the collector reads no monitors, so that it is told itself which pods to ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from infra.plan.address_space import PRIVATE
from infra.plan.alert_rules import rule_groups
from infra.plan.monitoring import Alert, Scrape, monitoring_plan
from infra.plan.serving import ServingPlan, scraped
from infra.platforms.aws.config import AwsSettings
from infra.platforms.aws.grafana_plan import GrafanaPlan, grafana_plan
from infra.platforms.aws.network import NetworkPlan
from infra.platforms.aws.prometheus_settings import ExistingWorkspaceSettings
from infra.platforms.base import SiteRequest
from infra.problems import Problem

# AWS' own default: half as many samples, which are most of what is paid, as by the operator's monitors.
SCRAPE_SECONDS = 30
# Metrics of an exporter and a controller that nobody has installed here: their alerts would never ring.
OF_OTHERS = ("DCGM_", "certmanager_")
POD = "__meta_kubernetes_pod"


@dataclass(frozen=True, kw_only=True)
class PrometheusPlan:
    """`workspace_arn` None: one of the site. `collector` are the addresses from which pods are asked; the rest is YAML
    as Prometheus reads it. `calls` None: nobody is called, or whom the workspace's owner has named. `kv_metrics` are
    those of engines, by model, which `dashboards` show."""

    workspace_arn: str | None
    collector: tuple[str, ...]
    scrape_configuration: str
    rules: str
    calls: str | None
    kv_metrics: Mapping[str, str]
    grafana: GrafanaPlan | None

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        where = f"the workspace `{self.workspace_arn}`" if self.workspace_arn else "a workspace of the site"
        called = "a topic of SNS hears its alerts" if self.calls else "its alerts call nobody that this stack names"
        shown = f"; {self.grafana.text}" if self.grafana else ""
        return f"AWS asks pods every {SCRAPE_SECONDS} s and keeps it in {where}; {called}{shown}"


def prometheus_problems(where: str, settings: AwsSettings) -> Iterator[Problem]:
    """A collector writes where it is."""
    workspace = settings.prometheus_workspace
    if isinstance(workspace, ExistingWorkspaceSettings) and (found := workspace.arn.split(":")[3]) != settings.region:
        yield Problem(
            where=f"{where}.prometheus_workspace.arn",
            found=f"a workspace in `{found}`, of a site in `{settings.region}`",
            allowed="one in the site's own region: AWS' collector writes to no other",
            remedy="name one of that region, or write `{kind: new}`",
        )


def prometheus_plan(
    request: SiteRequest, settings: AwsSettings, network: NetworkPlan, serving: ServingPlan
) -> PrometheusPlan | None:
    """None where the site has no workspace."""
    workspace = settings.prometheus_workspace
    if workspace is None:
        return None
    engines = {name: scraped(engine) for name, engine in serving.engines.items()}
    watched = monitoring_plan(serving.namespace, request.models, engines, request.replicas, serving.gateway)
    private = [subnet.cidr for subnet in network.of_role("private").values() if subnet.cidr]
    existing = workspace.arn if isinstance(workspace, ExistingWorkspaceSettings) else None
    topic = next(iter(settings.alarm_topics), None)
    return PrometheusPlan(
        workspace_arn=existing,
        # It has an address in each of these; nobody here knows the ranges of subnets that exist.
        collector=tuple(private) or tuple(map(str, PRIVATE)),
        scrape_configuration=_yaml(
            {
                "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
                "scrape_configs": [_job(serving.namespace, scrape) for scrape in watched.scrapes],
            }
        ),
        rules=_yaml({"groups": rule_groups(_ringing(watched.alerts))}),
        calls=_yaml({"alertmanager_config": _yaml(_calls(topic, settings.region))}) if topic and not existing else None,
        kv_metrics=watched.kv_metrics,
        grafana=grafana_plan(workspace.grafana),
    )


def _yaml(content: Any) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=1000)


def _job(namespace: str, scrape: Scrape) -> dict[str, Any]:
    """As a pod monitor of the operator would have it, labels too: rules and dashboards ask by them."""
    wanted = {
        f"{POD}_label_app_kubernetes_io_component": scrape.component,
        f"{POD}_label_app_kubernetes_io_name": scrape.name,
        f"{POD}_container_port_name": scrape.port,
    }
    known = {"namespace": "__meta_kubernetes_namespace", "pod": f"{POD}_name", "container": f"{POD}_container_name"}
    return {
        "job_name": f"{namespace}/{scrape.monitor}",
        "metrics_path": scrape.path,
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [namespace]}}],
        "relabel_configs": [
            *({"action": "keep", "source_labels": [label], "regex": value} for label, value in wanted.items()),
            {"action": "drop", "source_labels": [f"{POD}_phase"], "regex": "(Failed|Succeeded)"},
            *({"source_labels": [source], "target_label": label} for label, source in known.items()),
        ],
    }


def _ringing(alerts: tuple[Alert, ...]) -> Iterator[Alert]:
    yield from (alert for alert in alerts if not any(other in alert.expression for other in OF_OTHERS))


def _calls(topic: str, region: str) -> dict[str, Any]:
    """What is sent to a topic is as Alertmanager words it."""
    topics = [{"topic_arn": topic, "sigv4": {"region": region}, "send_resolved": True}]
    return {"route": {"receiver": "topic"}, "receivers": [{"name": "topic", "sns_configs": topics}]}

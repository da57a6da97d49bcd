"""Deploys the plan of a site on a cluster that exists: its provider, what it has, and the serving stack."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterAddresses, ClusterHandle, StorageClasses, in_namespace
from infra.components.front_door import front_door
from infra.components.serving_stack import ServingStack
from infra.plan.types import SitePlan
from infra.platforms.base import SiteSecrets
from infra.platforms.kubernetes.plan import KubernetesSitePlan


class KubernetesSite(pulumi.ComponentResource):
    """A site on a cluster that exists. Owns what is in its namespace; nodes, classes and controllers are the
    cluster's. `cluster` is for whoever puts something of their own beside it."""

    def __init__(
        self, name: str, plan: SitePlan, secrets: SiteSecrets, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:kubernetes:Site", name, None, opts)
        details: KubernetesSitePlan = plan.details
        provider = kubernetes.Provider(
            f"{name}-cluster",
            context=details.context,
            kubeconfig=_kubeconfig(details.kubeconfig_path),
            # The cluster is known by its context: another token for it is still the same cluster.
            cluster_identifier=details.context,
            enable_server_side_apply=True,
            # Otherwise a changed file would be another object, and its pods replaced.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            # What somebody has changed by hand is taken back. Without it the server refuses: the field is theirs now.
            enable_patch_force=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.cluster = _handle(name, details, provider)
        stack = ServingStack(
            f"{name}-serving",
            details.serving,
            secrets,
            self.cluster,
            pulumi.ResourceOptions(parent=self, providers=[provider]),
        )
        self.endpoint = stack.endpoint
        self.register_outputs({"endpoint": self.endpoint})


def _handle(name: str, details: KubernetesSitePlan, provider: kubernetes.Provider) -> ClusterHandle:
    return ClusterHandle(
        provider=provider,
        namespace=details.serving.namespace,
        nodes=details.nodes,
        zones=details.serving.zones,
        storage=StorageClasses(
            weights=details.weights_storage_class,
            audit=details.audit_storage_class,
            limits=details.limits_storage_class,
        ),
        addresses=ClusterAddresses(dns=details.dns_addresses, api_server=details.api_server_addresses),
        front_door=front_door(name, details.front_door, details.serving.namespace),
        prometheus=details.prometheus,
        metrics_adapter=details.metrics_adapter,
        scrapers=(in_namespace(details.prometheus_namespace),) if details.prometheus else (),
        scalers=(in_namespace(details.keda_namespace),) if details.autoscaler == "keda" else (),
    )


def _kubeconfig(path: str | None) -> str | None:
    """None: `KUBECONFIG` or `~/.kube/config`, as the provider itself looks them up."""
    return str(Path(path).expanduser()) if path else None

"""What a cluster, whoever made it, gives to what runs in it: a provider, nodes, storage, addresses and a front door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import pulumi
import pulumi_kubernetes as kubernetes

from infra.plan.nodes import ANY_NODE, NodeChoice

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who may send to a pod: pods of namespaces with such labels (and such labels of their own), or addresses.

    `namespace_labels` None and `cidr` None: pods of the same namespace. All empty maps: any pod of the cluster.
    """

    namespace_labels: Mapping[str, str] | None = None
    pod_labels: Mapping[str, str] | None = None
    cidr: str | None = None


def in_namespace(name: str) -> Source:
    """All pods of a namespace, by the label that every one has of itself."""
    return Source(namespace_labels={NAMESPACE_LABEL: name})


@dataclass(frozen=True, kw_only=True)
class ClusterAddresses:
    """Addresses that a network policy must name, as CIDRs.

    `metadata` answers with a node's credentials: nobody reaches it, but for what is in `metadata_allowed` (an identity
    agent). `dns` answers names, and `dns_pods` is who answers behind it: policies are applied after a service's address
    is translated, or before, as the cluster's network does it. `api_server` may be unknown: its port is then open
    towards every address that is not denied.
    """

    metadata: tuple[str, ...] = ("169.254.169.254/32", "fd00:ec2::254/128")
    metadata_allowed: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_pods: Source | None = Source(
        namespace_labels={NAMESPACE_LABEL: "kube-system"}, pod_labels={"k8s-app": "kube-dns"}
    )
    api_server: tuple[str, ...] = ()
    api_server_ports: tuple[int, ...] = (443, 6443)
    # Where a store of limits is that the site has beside the cluster.
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StorageClasses:
    """Classes of volumes by what is kept in them; None is the cluster's default."""

    weights: str | None = None
    audit: str | None = None
    limits: str | None = None


class FrontDoor(Protocol):
    """How requests come in from outside. Each kind of cluster brings its own."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Who sends requests to the gateway's public port."""
        ...

    def attach(self, service: kubernetes.core.v1.Service, opts: pulumi.ResourceOptions) -> pulumi.Input[str]:
        """Sends requests to the service's public port. Returns the origin that clients use."""
        ...


@dataclass(frozen=True, kw_only=True)
class ClusterHandle:
    """A cluster as the serving stack sees it: it asks this and never which platform it is on.

    `nodes` are by the `pool` of an engine, `gateway_nodes` are those of all else. `identities` are annotations of
    service accounts, by workload name (`gateway`, `engine-chat`, …): how a cloud gives a pod its own role. `prometheus`
    says whether its operator's custom resources are known here. `image_pull_secrets` are in the namespace already.
    """

    provider: kubernetes.Provider
    namespace: str
    nodes: Mapping[str, NodeChoice]
    gateway_nodes: NodeChoice = ANY_NODE
    zones: tuple[str, ...] = ()
    storage: StorageClasses = StorageClasses()
    addresses: ClusterAddresses = ClusterAddresses()
    front_door: FrontDoor
    identities: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    prometheus: bool
    # Whether the API of custom metrics has what the gateways say of themselves.
    metrics_adapter: bool = False
    # Where Prometheus and KEDA run: they may reach what serves metrics, and nothing else.
    scrapers: tuple[Source, ...] = ()
    scalers: tuple[Source, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    # The address of such a store, with its password if it has one, and whose certificates it shows if not those that
    # everybody trusts.
    limits_url: pulumi.Input[str] | None = None
    limits_authority: pulumi.Input[str] | None = None
    # The names of buckets that the site has: for the audit, and for weights.
    audit_bucket: pulumi.Input[str] | None = None
    weights_bucket: pulumi.Input[str] | None = None
    # The cluster, where it is this stack's: what is inside goes with it, and is not asked to go first.
    deleted_with: pulumi.Resource | None = None

    def pull_secrets(self) -> list[kubernetes.core.v1.LocalObjectReferenceArgs] | None:
        """As a pod names them; None where there are none."""
        return [kubernetes.core.v1.LocalObjectReferenceArgs(name=name) for name in self.image_pull_secrets] or None

    def child(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """For a component: what it makes is made by this cluster's provider."""
        return pulumi.ResourceOptions(parent=parent, provider=self.provider, deleted_with=self.deleted_with)

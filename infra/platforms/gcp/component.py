"""Deploys the plan of a site on Google Cloud: network, cluster, machines, front door, and the serving stack in it."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.chart_release import chart_release
from infra.components.cluster_handle import ClusterAddresses, ClusterHandle, Source, StorageClasses, in_namespace
from infra.components.cluster_provider import cluster_provider
from infra.components.serving_stack import ServingStack
from infra.plan.charts import ChartPlan
from infra.plan.in_cluster import GATEWAY
from infra.plan.pool_nodes import GATEWAY_POOL
from infra.plan.types import SitePlan
from infra.platforms.base import SiteSecrets
from infra.platforms.gcp.cluster_plan import BLOCK_CLASS
from infra.platforms.gcp.component_buckets import Buckets
from infra.platforms.gcp.component_budget import Budget
from infra.platforms.gcp.component_cluster import Cluster
from infra.platforms.gcp.component_front_door import BoundByGateway, FrontDoor
from infra.platforms.gcp.component_gateway_account import GatewayAccount
from infra.platforms.gcp.component_identity import Identity
from infra.platforms.gcp.component_inside_door import InsideDoor
from infra.platforms.gcp.component_keys import Keys
from infra.platforms.gcp.component_limits import LimitsStore
from infra.platforms.gcp.component_links import private_link
from infra.platforms.gcp.component_network import Network
from infra.platforms.gcp.component_node_account import NodeAccount
from infra.platforms.gcp.component_node_pools import NodePools
from infra.platforms.gcp.component_provider import google_provider
from infra.platforms.gcp.component_registry import Registry
from infra.platforms.gcp.component_services import Services
from infra.platforms.gcp.component_storage import Storage
from infra.platforms.gcp.identity_plan import AUDIT, MODELS
from infra.platforms.gcp.limits_plan import ANNOTATION
from infra.platforms.gcp.site_plan import GcpSitePlan

# What answers with a machine's credentials at Google, beside what does so everywhere.
METADATA = ("169.254.169.254/32", "fd00:ec2::254/128", "fd20:ce::254/128")


class GcpSite(pulumi.ComponentResource):
    """A site on Google Cloud. Owns all of it, from the network to what serves. What is inside the cluster goes with the
    cluster; but for the Gateway, whose load balancer is outside, and must go before."""

    def __init__(
        self, name: str, plan: SitePlan, secrets: SiteSecrets, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:gcp:Site", name, None, opts)
        details: GcpSitePlan = plan.details
        self._name, self._plan = name, details
        provider = google_provider(
            f"{name}-gcp", project=details.project, region=details.region, labels=details.labels, parent=self
        )
        self._gcp, self._child = provider, pulumi.ResourceOptions(parent=self, providers=[provider])
        services = Services(
            f"{name}-services", details.services, project=details.project, provider=provider, opts=self._child
        )
        self._on = pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[services]))
        self._keys = Keys(
            f"{name}-keys",
            region=details.region,
            agents=services.agents,
            protected=details.deletion_protection,
            opts=self._on,
        )
        self._buckets = Buckets(
            f"{name}-buckets",
            region=details.region,
            key=self._keys.data,
            audit=details.audit_bucket,
            protected=details.deletion_protection,
            opts=self._on,
        )
        account = NodeAccount(
            f"{name}-nodes", details.node_account, details.node_roles, project=details.project, opts=self._on
        )
        Registry(
            f"{name}-registry",
            details.repository,
            region=details.region,
            key=self._keys.data,
            reader=account.member,
            protected=details.deletion_protection,
            opts=self._on,
        )
        network = Network(f"{name}-network", details.network, region=details.region, opts=self._on)
        cluster = self._cluster(network, account)
        self._control_plane = cluster.cluster
        self._kubernetes = cluster_provider(
            f"{name}-kubernetes", cluster.kubeconfig, details.cluster.name, pulumi.ResourceOptions(parent=self)
        )
        around = self._around(cluster, account, services)
        door = self._door(network)
        self.private_link = None
        if isinstance(door, InsideDoor):
            shared = secrets.gateway_secrets
            self.private_link = private_link(name, details, network=network, door=door, secrets=shared, opts=self._on)
        if details.budget:
            Budget(f"{name}-budget", details.budget, number=services.number, opts=self._on)
        handle = self._handle(door, self._limits(network))
        stack = ServingStack(
            f"{name}-serving",
            details.serving,
            secrets,
            handle,
            pulumi.ResourceOptions(parent=self, providers=[handle.provider], depends_on=[door, *around]),
        )
        self.endpoint = stack.endpoint
        self.register_outputs({"endpoint": self.endpoint})

    def _door(self, network: Network) -> FrontDoor | InsideDoor:
        """On the internet, or in the network."""
        name, details, provider = f"{self._name}-door", self._plan, self._gcp
        if details.front_door.inside is None:
            return FrontDoor(name, details.front_door, provider=provider, opts=self._on)
        return InsideDoor(
            name, details.front_door, region=details.region, network=network, provider=provider, opts=self._on
        )

    def _cluster(self, network: Network, account: NodeAccount) -> Cluster:
        details = self._plan
        return Cluster(
            f"{self._name}-cluster",
            details.cluster,
            project=details.project,
            region=details.region,
            zones=details.zones,
            api_cidr=details.network.api,
            network=network,
            key=self._keys.cluster,
            node_account=account.email,
            labels=dict(details.labels),
            protected=details.deletion_protection,
            opts=pulumi.ResourceOptions.merge(self._on, pulumi.ResourceOptions(depends_on=[network])),
        )

    def _around(self, cluster: Cluster, account: NodeAccount, services: Services) -> list[pulumi.Resource]:
        """What pods need of Google before they start."""
        details, name = self._plan, self._name
        machines = NodePools(
            f"{name}-pools",
            details.machines,
            region=details.region,
            cluster=cluster.cluster,
            account=account.email,
            disk_key=self._keys.data,
            opts=pulumi.ResourceOptions(
                parent=self, providers=[self._gcp, self._kubernetes], depends_on=[cluster, services]
            ),
        )
        # The pool of identities is there when a cluster is.
        after = pulumi.ResourceOptions.merge(self._on, pulumi.ResourceOptions(depends_on=[cluster]))
        members: dict[str, pulumi.Input[str]] = {}
        accounts: list[pulumi.Resource] = []
        if details.limits:
            account_of_gateways = GatewayAccount(
                f"{name}-gateway-account",
                details.limits,
                project=details.project,
                region=details.region,
                namespace=details.serving.namespace,
                opts=after,
            )
            accounts.append(account_of_gateways)
            members[GATEWAY] = account_of_gateways.member
        identity = Identity(
            f"{name}-identity",
            details.identities,
            project=details.project,
            number=services.number,
            buckets=self._buckets.names,
            members=members,
            opts=after,
        )
        storage = Storage(
            f"{name}-storage",
            key=self._keys.data,
            opts=pulumi.ResourceOptions(
                parent=self, providers=[self._kubernetes], depends_on=[cluster], deleted_with=cluster.cluster
            ),
        )
        keda = [self._keda(details.keda, machines, cluster)] if details.keda else []
        return [machines, identity, storage, self._buckets, *accounts, *keda]

    def _keda(self, plan: ChartPlan, machines: NodePools, cluster: Cluster) -> pulumi.Resource:
        opts = pulumi.ResourceOptions(
            parent=self, providers=[self._kubernetes], depends_on=[machines], deleted_with=cluster.cluster
        )
        return chart_release(f"{self._name}-keda", plan.chart.chart, plan, opts)

    def _limits(self, network: Network) -> LimitsStore | None:
        details = self._plan
        if details.limits is None:
            return None
        return LimitsStore(
            f"{self._name}-limits",
            details.limits,
            project=details.project,
            region=details.region,
            network=network,
            key=self._keys.data,
            protected=details.deletion_protection,
            opts=self._on,
        )

    def _handle(self, door: FrontDoor | InsideDoor, limits: LimitsStore | None) -> ClusterHandle:
        details, cluster = self._plan, self._plan.cluster
        provider: kubernetes.Provider = self._kubernetes
        return ClusterHandle(
            provider=provider,
            namespace=details.serving.namespace,
            nodes=details.machines.choices,
            gateway_nodes=details.machines.choices[GATEWAY_POOL],
            zones=details.zones,
            storage=StorageClasses(limits=BLOCK_CLASS),
            addresses=ClusterAddresses(
                metadata=METADATA,
                metadata_allowed=cluster.identity_server,
                dns=cluster.dns,
                api_server=cluster.api_server,
                limits=details.limits.addresses if details.limits else (),
            ),
            front_door=BoundByGateway(
                name=f"{self._name}-door",
                plan=details.front_door,
                namespace=details.serving.namespace,
                door=door,
                sources=tuple(Source(cidr=cidr) for cidr in cluster.front_door),
            ),
            prometheus=False,
            scalers=(in_namespace(details.keda.namespace),) if details.keda else (),
            deleted_with=self._control_plane,
            identities={GATEWAY: {ANNOTATION: details.limits.email}} if details.limits else {},
            limits_url=limits.url if limits else None,
            limits_authority=limits.authority if limits else None,
            audit_bucket=self._buckets.names.get(AUDIT),
            weights_bucket=self._buckets.names[MODELS],
        )

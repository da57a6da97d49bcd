"""Deploys the plan of a site on AWS: network, cluster, machines, front door, and the serving stack in it."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.components.cluster_handle import ClusterAddresses, ClusterHandle, Source, StorageClasses, in_namespace
from infra.components.cluster_provider import cluster_provider
from infra.components.serving_stack import ServingStack
from infra.plan.pool_nodes import GATEWAY_POOL
from infra.plan.types import SitePlan
from infra.platforms.aws.cluster_plan import BLOCK_CLASS, SHARED_CLASS
from infra.platforms.aws.component_alarms import Alarms
from infra.platforms.aws.component_buckets import Buckets
from infra.platforms.aws.component_budget import Budget
from infra.platforms.aws.component_cluster import Cluster
from infra.platforms.aws.component_controllers import Controllers
from infra.platforms.aws.component_front_door import BoundByTargetGroup, FrontDoor
from infra.platforms.aws.component_identity import Identity
from infra.platforms.aws.component_keys import Keys
from infra.platforms.aws.component_limits import LimitsStore
from infra.platforms.aws.component_links import private_link
from infra.platforms.aws.component_machines import machines_and_software
from infra.platforms.aws.component_network import Network
from infra.platforms.aws.component_prometheus import Prometheus
from infra.platforms.aws.component_registry import Registry
from infra.platforms.aws.component_storage import Storage
from infra.platforms.aws.site_plan import AwsSitePlan
from infra.platforms.base import SiteSecrets


class AwsSite(pulumi.ComponentResource):
    """A site on AWS. Owns all of it, from the network to what serves. What is inside the cluster goes with the cluster;
    the load balancer, machines and file system go before the network that they are in."""

    def __init__(
        self, name: str, plan: SitePlan, secrets: SiteSecrets, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:aws:Site", name, None, opts)
        details: AwsSitePlan = plan.details
        self._name, self._plan = name, details
        provider = aws.Provider(
            f"{name}-aws",
            region=details.region,
            default_tags=aws.ProviderDefaultTagsArgs(tags=dict(details.tags)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._aws, self._child = provider, pulumi.ResourceOptions(parent=self, providers=[provider])
        self._account = aws.get_caller_identity_output(
            opts=pulumi.InvokeOutputOptions(parent=self, provider=provider)
        ).apply(lambda found: found.account_id)
        self._keys = Keys(
            f"{name}-keys",
            account=self._account,
            region=details.region,
            node_groups=not details.cluster.auto_mode,
            protected=details.deletion_protection,
            opts=self._child,
        )
        self._buckets = Buckets(
            f"{name}-buckets",
            name_prefix=details.roles.name_prefix,
            account=self._account,
            region=details.region,
            key_arn=self._keys.data_arn,
            keep_logs_days=details.cluster.log_retention_days,
            audit=details.audit_bucket,
            protected=details.deletion_protection,
            opts=self._child,
        )
        Registry(
            f"{name}-registry",
            details.repositories,
            key_arn=self._keys.data_arn,
            protected=details.deletion_protection,
            opts=self._child,
        )
        network = Network(
            f"{name}-network",
            details.network,
            region=details.region,
            logs_key_arn=self._keys.logs_arn,
            log_retention_days=details.cluster.log_retention_days,
            roles=details.roles,
            opts=self._child,
        )
        self.private_link = private_link(
            f"{name}-link", details, network=network, secrets=secrets.gateway_secrets, opts=self._child
        )
        cluster = self._cluster(network)
        self._kubernetes = cluster_provider(
            f"{name}-kubernetes", cluster.kubeconfig, details.cluster.name, pulumi.ResourceOptions(parent=self)
        )
        self._control_plane = cluster.cluster
        inside = pulumi.ResourceOptions(
            parent=self,
            providers=[provider, self._kubernetes],
            deleted_with=cluster.cluster,
            depends_on=[*cluster.admitted],
        )
        machines, self._addons = machines_and_software(
            name,
            details,
            network=network,
            cluster=cluster,
            disk_key_arn=self._keys.data_arn,
            child=self._child,
            inside=inside,
        )
        door = self._front_door(network, cluster)
        ready = self._around(network, cluster, machines, door)
        self._alarms(network, door)
        if details.budget:
            Budget(f"{name}-budget", details.budget, opts=self._child)
        self._metrics(network, cluster)
        handle = self._handle(door, self._limits(network, cluster))
        stack = ServingStack(
            f"{name}-serving",
            details.serving,
            secrets,
            handle,
            pulumi.ResourceOptions(parent=self, providers=[handle.provider], depends_on=[machines, *ready]),
        )
        self.endpoint = stack.endpoint
        self.register_outputs({"endpoint": self.endpoint})

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[*resources]))

    def _cluster(self, network: Network) -> Cluster:
        details = self._plan
        return Cluster(
            f"{self._name}-cluster",
            details.cluster,
            region=details.region,
            services_cidr=details.network.services_cidr,
            subnet_ids=network.subnet_ids[details.network.cluster_role],
            cluster_key_arn=self._keys.cluster_arn,
            logs_key_arn=self._keys.logs_arn,
            data_key_arn=self._keys.data_arn,
            roles=details.roles,
            protected=details.deletion_protection,
            opts=self._after(network),
        )

    def _around(
        self, network: Network, cluster: Cluster, machines: pulumi.Resource, door: FrontDoor
    ) -> list[pulumi.Resource]:
        """What pods need of AWS before they start."""
        details, name = self._plan, self._name
        both: list[pulumi.ProviderResource] = [self._aws, self._kubernetes]
        identity = Identity(
            f"{name}-identity",
            details.identities,
            cluster=cluster.cluster,
            bucket_arns=self._buckets.arns,
            key_arn=self._keys.data_arn,
            roles=details.roles,
            opts=self._child,
        )
        storage = Storage(
            f"{name}-storage",
            details.cluster,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids["private"],
            zones=details.zones,
            cluster_security_group_id=cluster.security_group_id,
            key_arn=self._keys.data_arn,
            protected=details.deletion_protection,
            cluster=cluster.cluster,
            opts=pulumi.ResourceOptions(parent=self, providers=both, depends_on=[*cluster.admitted]),
        )
        ready: list[pulumi.Resource] = [self._addons, identity, storage, self._buckets]
        if details.controllers:
            controllers = Controllers(
                f"{name}-controllers",
                details.controllers,
                cluster=cluster.cluster,
                region=details.region,
                account=self._account,
                vpc_id=network.vpc_id,
                target_group_arn=door.target_group_arn,
                roles=details.roles,
                opts=pulumi.ResourceOptions(parent=self, providers=both, depends_on=[machines]),
            )
            ready.append(controllers)
        return ready

    def _front_door(self, network: Network, cluster: Cluster) -> FrontDoor:
        details, door = self._plan, self._plan.front_door
        return FrontDoor(
            f"{self._name}-door",
            door,
            cluster_name=cluster.cluster.name,
            cluster_security_group_id=cluster.security_group_id,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids["private" if door.internal else "public"],
            inside_cidrs=details.cluster.clients,
            logs_bucket=self._buckets.logs.bucket,
            logs_key_arn=self._keys.logs_arn,
            log_retention_days=details.cluster.log_retention_days,
            provider=self._aws,
            protected=details.deletion_protection,
            # Its logs are taken only when the bucket says so, and it goes before the way to the internet does.
            opts=self._after(network, self._buckets),
        )

    def _alarms(self, network: Network, door: FrontDoor) -> None:
        ways = {subnet: {"NatGatewayId": gateway} for subnet, gateway in network.nat_gateway_ids.items()}
        Alarms(
            f"{self._name}-alarms",
            self._plan.alarms,
            of={**door.dimensions, **ways},
            topics=self._plan.alarm_topics,
            opts=self._child,
        )

    def _metrics(self, network: Network, cluster: Cluster) -> None:
        if watched := self._plan.prometheus:
            Prometheus(
                f"{self._name}-metrics",
                watched,
                cluster_arn=cluster.cluster.arn,
                roles=self._plan.roles,
                subnet_ids=network.subnet_ids["private"],
                security_group_id=cluster.security_group_id,
                key_arn=self._keys.data_arn,
                opts=self._child,
            )

    def _limits(self, network: Network, cluster: Cluster) -> pulumi.Input[str] | None:
        if (limits := self._plan.limits) is None:
            return None
        return LimitsStore(
            f"{self._name}-limits",
            limits,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids["private"],
            cluster_security_group_id=cluster.security_group_id,
            key_arn=self._keys.data_arn,
            protected=self._plan.deletion_protection,
            opts=self._child,
        ).url

    def _handle(self, door: FrontDoor, limits_url: pulumi.Input[str] | None) -> ClusterHandle:
        details, cluster = self._plan, self._plan.cluster
        return ClusterHandle(
            provider=self._kubernetes,
            namespace=details.serving.namespace,
            nodes=details.machines.choices,
            gateway_nodes=details.machines.choices[GATEWAY_POOL],
            zones=details.zones,
            storage=StorageClasses(audit=SHARED_CLASS, limits=BLOCK_CLASS),
            addresses=ClusterAddresses(
                metadata_allowed=(cluster.identity_agent,),
                dns=cluster.dns,
                api_server=cluster.api_server,
                limits=details.limits.addresses if details.limits else (),
            ),
            front_door=BoundByTargetGroup(
                name=f"{self._name}-door",
                plan=details.front_door,
                namespace=details.serving.namespace,
                target_group_arn=door.target_group_arn,
                sources=tuple(Source(cidr=cidr) for cidr in cluster.front_door),
                after=door.listener,
            ),
            prometheus=False,
            scalers=(in_namespace(details.keda.namespace),) if details.keda else (),
            scrapers=tuple(Source(cidr=cidr) for cidr in details.collector),
            deleted_with=self._control_plane,
            limits_url=limits_url,
            audit_bucket=self._buckets.audit,
            weights_bucket=self._buckets.models.bucket,
        )

"""Deploys a site's machines and AWS' own software on them, in the order in which one needs the other."""

from __future__ import annotations

import pulumi

from infra.platforms.aws.component_addons import Addons
from infra.platforms.aws.component_cluster import Cluster
from infra.platforms.aws.component_network import Network
from infra.platforms.aws.component_node_groups import NodeGroups
from infra.platforms.aws.component_node_pools import NodePools
from infra.platforms.aws.site_plan import AwsSitePlan


def machines_and_software(
    name: str,
    details: AwsSitePlan,
    *,
    network: Network,
    cluster: Cluster,
    disk_key_arn: pulumi.Input[str],
    child: pulumi.ResourceOptions,
    inside: pulumi.ResourceOptions,
) -> tuple[pulumi.Resource, Addons]:
    """Parts of a site: `child` of what is on AWS, `inside` of what is in its cluster."""
    subnets = network.subnet_ids["private"]

    def after(*resources: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[*resources]))

    def software(opts: pulumi.ResourceOptions) -> Addons:
        return Addons(f"{name}-addons", details.cluster, cluster=cluster.cluster, roles=details.roles, opts=opts)

    if details.cluster.auto_mode:
        pools = NodePools(
            f"{name}-pools",
            details.machines,
            node_role_name=cluster.node_role.name,
            subnet_ids=subnets,
            security_group_id=cluster.security_group_id,
            disk_key_arn=disk_key_arn,
            opts=inside,
        )
        # Their pods need machines.
        return pools, software(after(pools))
    # Machines need a network's plugin to be ready, and at an upgrade what runs on each of them is new before they are.
    addons = software(child)
    groups = NodeGroups(
        f"{name}-groups",
        details.machines,
        cluster_name=cluster.cluster.name,
        kubernetes_version=details.cluster.kubernetes_version,
        node_role_arn=cluster.node_role.arn,
        vpc_id=network.vpc_id,
        subnet_ids=dict(zip(details.zones, subnets, strict=True)),
        cluster_security_group_id=cluster.security_group_id,
        disk_key_arn=disk_key_arn,
        tags=details.tags,
        opts=after(network, *cluster.admitted, *addons.before_nodes),
    )
    return groups, addons

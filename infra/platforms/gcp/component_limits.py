"""Deploys the store in which gateways count together: encrypted, over several zones, for who shows who it is."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from infra.plan.in_cluster import SHARED_LIMITS_PORT
from infra.platforms.gcp.component_network import Network
from infra.platforms.gcp.limits_plan import LimitsPlan

store = gcp.memorystore
PRIMARY = "CONNECTION_TYPE_PRIMARY"


class LimitsStore(pulumi.ComponentResource):
    """Owns an instance of Memorystore for Valkey and what lets it into the network. `url` has no password, `authority`
    is whose certificates it shows: an authority of its own, which signs for nobody else. It keeps counts only: no key,
    no prompt, no answer."""

    def __init__(
        self,
        name: str,
        plan: LimitsPlan,
        *,
        project: str,
        region: str,
        network: Network,
        key: pulumi.Input[str],
        protected: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:gcp:LimitsStore", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        whole = pulumi.Output.from_input(network.network).apply(lambda known: _path(known, project))
        let_in: list[pulumi.Resource] = []
        if plan.policy is not None:
            let_in.append(
                gcp.networkconnectivity.ServiceConnectionPolicy(
                    name,
                    name=plan.policy,
                    location=region,
                    network=whole,
                    service_class="gcp-memorystore",
                    description="The store of limits, for gateways",
                    psc_config=gcp.networkconnectivity.ServiceConnectionPolicyPscConfigArgs(
                        subnetworks=[network.subnetwork]
                    ),
                    opts=child,
                )
            )
        at_night = store.InstanceMaintenancePolicyWeeklyMaintenanceWindowStartTimeArgs(hours=plan.maintenance_hour)
        made = store.Instance(
            name,
            instance_id=plan.instance,
            location=region,
            # Without the protocol of clusters, which gateways do not speak: one that writes, and copies.
            mode="CLUSTER_DISABLED",
            shard_count=1,
            replica_count=plan.copies,
            zone_distribution_config=store.InstanceZoneDistributionConfigArgs(mode="MULTI_ZONE"),
            node_type=plan.node_type,
            engine_version=plan.engine_version,
            # What is counted is never thrown away for room: a refused count is seen, a forgotten one is not.
            engine_configs={"maxmemory-policy": "noeviction"},
            persistence_config=store.InstancePersistenceConfigArgs(
                mode="AOF", aof_config=store.InstancePersistenceConfigAofConfigArgs(append_fsync="EVERY_SEC")
            ),
            automated_backup_config=store.InstanceAutomatedBackupConfigArgs(
                retention=f"{plan.backup_days * 86_400}s",
                fixed_frequency_schedule=store.InstanceAutomatedBackupConfigFixedFrequencyScheduleArgs(
                    start_time=store.InstanceAutomatedBackupConfigFixedFrequencyScheduleStartTimeArgs(
                        hours=plan.backup_hour
                    )
                ),
            ),
            maintenance_policy=store.InstanceMaintenancePolicyArgs(
                weekly_maintenance_windows=[
                    store.InstanceMaintenancePolicyWeeklyMaintenanceWindowArgs(
                        day=plan.maintenance_day, start_time=at_night
                    )
                ]
            ),
            transit_encryption_mode="SERVER_AUTHENTICATION",
            authorization_mode="IAM_AUTH",
            kms_key=key,
            desired_auto_created_endpoints=[
                store.InstanceDesiredAutoCreatedEndpointArgs(network=whole, project_id=project)
            ],
            deletion_protection_enabled=protected,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=protected, depends_on=let_in)),
        )
        address = made.endpoints.apply(_primary)
        self.url: pulumi.Output[str] = pulumi.Output.concat("rediss://", address, f":{SHARED_LIMITS_PORT}/0")
        self.authority: pulumi.Output[str] = made.managed_server_cas.apply(_certificates)
        self.register_outputs({})


def _path(network: str, project: str) -> str:
    """Of a network that exists only the name is known; a path is what others name it by."""
    return network if "/" in network else f"projects/{project}/global/networks/{network}"


def _primary(endpoints: Sequence[store.outputs.InstanceEndpoint]) -> str:
    """The address of who writes, whoever that is just now."""
    found = [made.psc_auto_connection for one in endpoints for made in one.connections or ()]
    addresses = [str(one.ip_address) for one in found if one and one.connection_type == PRIMARY]
    if not addresses:
        raise pulumi.RunError(
            "slipway: the store of limits has no address in the network. Found no connection of the kind "
            f"`{PRIMARY}`; allowed is one, made by the network's service connection policy for `gcp-memorystore`. Make "
            "that policy, where the network is not this stack's, and deploy again."
        )
    return addresses[0]


def _certificates(authorities: Sequence[store.outputs.InstanceManagedServerCa]) -> str:
    """All of them: before one ends, the next one is there."""
    chains = [chain for authority in authorities for chain in authority.ca_certs or ()]
    return "".join(f"{text.strip()}\n" for chain in chains for text in chain.certificates or ())

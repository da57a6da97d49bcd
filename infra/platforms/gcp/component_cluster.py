"""Deploys the GKE cluster of a site: its control plane, which nobody reaches without a token of Google's."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.cluster_plan import CREATE_MINUTES, DELETE_MINUTES, ClusterPlan
from infra.platforms.gcp.component_network import Network
from infra.platforms.gcp.kubeconfig import kubeconfig

container = gcp.container
SHIELDED = {"enable_secure_boot": True, "enable_integrity_monitoring": True}


class Cluster(pulumi.ComponentResource):
    """Owns the control plane. `kubeconfig` asks for a token each time it is used."""

    def __init__(
        self,
        name: str,
        plan: ClusterPlan,
        *,
        project: str,
        region: str,
        zones: tuple[str, ...],
        api_cidr: str | None,
        network: Network,
        key: pulumi.Input[str],
        node_account: pulumi.Input[str],
        labels: dict[str, str],
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Cluster", name, None, opts)
        self._plan, public = plan, bool(plan.public_cidrs)
        made = container.Cluster(
            f"{name}-control-plane",
            name=plan.name,
            location=region,
            node_locations=[*zones],
            network=network.network,
            subnetwork=network.subnetwork,
            networking_mode="VPC_NATIVE",
            ip_allocation_policy=container.ClusterIpAllocationPolicyArgs(
                cluster_secondary_range_name=network.pods_range,
                services_secondary_range_name=network.services_range,
            ),
            private_cluster_config=container.ClusterPrivateClusterConfigArgs(
                enable_private_nodes=True,
                enable_private_endpoint=not public,
                master_ipv4_cidr_block=api_cidr,
            ),
            master_authorized_networks_config=container.ClusterMasterAuthorizedNetworksConfigArgs(
                cidr_blocks=[
                    container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(cidr_block=cidr)
                    for cidr in plan.public_cidrs
                ],
                # Machines of others at Google are not ours.
                gcp_public_cidrs_access_enabled=False,
            ),
            control_plane_endpoints_config=container.ClusterControlPlaneEndpointsConfigArgs(
                dns_endpoint_config=container.ClusterControlPlaneEndpointsConfigDnsEndpointConfigArgs(
                    allow_external_traffic=plan.dns_endpoint
                )
            ),
            datapath_provider="ADVANCED_DATAPATH",
            # That of before Dataplane V2, which enforces policies itself.
            network_policy=container.ClusterNetworkPolicyArgs(enabled=False),
            enable_intranode_visibility=True,
            release_channel=container.ClusterReleaseChannelArgs(channel=plan.release_channel.upper()),
            workload_identity_config=container.ClusterWorkloadIdentityConfigArgs(
                workload_pool=f"{project}.svc.id.goog"
            ),
            enable_shielded_nodes=True,
            enable_legacy_abac=False,
            master_auth=container.ClusterMasterAuthArgs(
                client_certificate_config=container.ClusterMasterAuthClientCertificateConfigArgs(
                    issue_client_certificate=False
                )
            ),
            database_encryption=container.ClusterDatabaseEncryptionArgs(state="ENCRYPTED", key_name=key),
            binary_authorization=container.ClusterBinaryAuthorizationArgs(
                evaluation_mode="PROJECT_SINGLETON_POLICY_ENFORCE" if plan.binary_authorization else "DISABLED"
            ),
            gateway_api_config=container.ClusterGatewayApiConfigArgs(channel="CHANNEL_STANDARD"),
            secret_manager_config=container.ClusterSecretManagerConfigArgs(enabled=True),
            security_posture_config=container.ClusterSecurityPostureConfigArgs(
                mode="BASIC", vulnerability_mode="VULNERABILITY_BASIC"
            ),
            maintenance_policy=container.ClusterMaintenancePolicyArgs(
                recurring_window=container.ClusterMaintenancePolicyRecurringWindowArgs(
                    start_time=plan.maintenance.begins,
                    end_time=plan.maintenance.ends,
                    recurrence=plan.maintenance.repeats,
                )
            ),
            logging_config=container.ClusterLoggingConfigArgs(enable_components=[*plan.logs]),
            monitoring_config=container.ClusterMonitoringConfigArgs(
                enable_components=[*plan.metrics],
                managed_prometheus=container.ClusterMonitoringConfigManagedPrometheusArgs(enabled=True),
            ),
            addons_config=_addons(),
            # Its own pool would be machines that no plan has. What it is made with, until it goes, is as safe as ours.
            remove_default_node_pool=True,
            initial_node_count=1,
            node_config=container.ClusterNodeConfigArgs(
                service_account=node_account,
                oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
                workload_metadata_config=container.ClusterNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
                shielded_instance_config=container.ClusterNodeConfigShieldedInstanceConfigArgs(**SHIELDED),
            ),
            resource_labels=labels,
            deletion_protection=protected,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=protected,
                # That pool is gone, and what it was with it.
                ignore_changes=["nodeConfig", "initialNodeCount"],
                custom_timeouts=pulumi.CustomTimeouts(
                    create=f"{CREATE_MINUTES}m", update=f"{CREATE_MINUTES * 2}m", delete=f"{DELETE_MINUTES}m"
                ),
            ),
        )
        self.cluster = made
        self.kubeconfig = self._by_name() if plan.dns_endpoint else self._by_address(public=public)
        self.register_outputs({"name": made.name})

    def _by_name(self) -> pulumi.Output[str]:
        """From anywhere, by whom IAM lets in."""
        return self.cluster.control_plane_endpoints_config.dns_endpoint_config.endpoint.apply(
            lambda known: kubeconfig(self._plan.name, known, None)
        )

    def _by_address(self, *, public: bool) -> pulumi.Output[str]:
        """From inside of the network, or from the ranges that are named."""
        made = self.cluster
        host = made.endpoint if public else made.private_cluster_config.private_endpoint
        return pulumi.Output.all(host, made.master_auth.cluster_ca_certificate).apply(
            lambda known: kubeconfig(self._plan.name, known[0], known[1])
        )


def _addons() -> gcp.container.ClusterAddonsConfigArgs:
    """What puts gateways behind the load balancer, scales pods, and gives them disks, buckets and addresses."""
    return container.ClusterAddonsConfigArgs(
        http_load_balancing=container.ClusterAddonsConfigHttpLoadBalancingArgs(disabled=False),
        horizontal_pod_autoscaling=container.ClusterAddonsConfigHorizontalPodAutoscalingArgs(disabled=False),
        gce_persistent_disk_csi_driver_config=container.ClusterAddonsConfigGcePersistentDiskCsiDriverConfigArgs(
            enabled=True
        ),
        gcs_fuse_csi_driver_config=container.ClusterAddonsConfigGcsFuseCsiDriverConfigArgs(enabled=True),
    )

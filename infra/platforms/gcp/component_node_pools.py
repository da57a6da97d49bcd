"""Deploys the machines of a cluster: a node pool for each way to buy, and for each class the order in which they are
asked for."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from infra.plan.pool_nodes import POOL_LABEL
from infra.platforms.gcp.machines import CLASS_LABEL, CREATE_MINUTES, DELETE_MINUTES, MachinePool, NodesPlan

container = gcp.container
EVERYTHING_BY_ROLE = "https://www.googleapis.com/auth/cloud-platform"


class NodePools(pulumi.ComponentResource):
    """Owns node pools and compute classes. GKE starts a machine for a pod that no other has room for, of the first pool
    of its class that is to be had, and takes away the ones that are empty."""

    def __init__(
        self,
        name: str,
        plan: NodesPlan,
        *,
        region: str,
        cluster: gcp.container.Cluster,
        account: pulumi.Input[str],
        disk_key: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("slipway:gcp:NodePools", name, None, opts)
        self._name, self._plan = name, plan
        self._region, self._cluster, self._account, self._key = region, cluster, account, disk_key
        self._child = pulumi.ResourceOptions(parent=self)
        made = {pool.name: self._pool(pool) for pool in plan.pools.values()}
        for called, ladder in plan.ladders.items():
            kubernetes.apiextensions.CustomResource(
                f"{name}-{called}",
                api_version="cloud.google.com/v1",
                kind="ComputeClass",
                metadata=kubernetes.meta.v1.ObjectMetaArgs(name=called),
                spec={
                    "priorities": [{"nodepools": [made[pool].name]} for pool in ladder],
                    # No machine is bought that no plan has, and an engine that answers is not moved to a cheaper one.
                    "nodePoolAutoCreation": {"enabled": False},
                    "activeMigration": {"optimizeRulePriority": False},
                    "whenUnsatisfiable": "DoNotScaleUp",
                },
                opts=pulumi.ResourceOptions(parent=self, deleted_with=cluster),
            )
        self.register_outputs({})

    def _pool(self, pool: MachinePool) -> gcp.container.NodePool:
        flexible = pool.purchase == "flex_start"
        return container.NodePool(
            f"{self._name}-{pool.name}",
            # Another one comes before this one goes.
            name_prefix=f"{pool.name}-",
            cluster=self._cluster.name,
            location=self._region,
            node_locations=[*pool.zones],
            # In each zone; the autoscaler keeps the sum.
            initial_node_count=-(-pool.min_nodes // len(pool.zones)),
            autoscaling=container.NodePoolAutoscalingArgs(
                total_min_node_count=pool.min_nodes,
                total_max_node_count=pool.max_nodes,
                location_policy="ANY" if pool.card else "BALANCED",
            ),
            # A machine of flex-start ends by itself, and GKE takes it only without.
            management=container.NodePoolManagementArgs(auto_repair=not flexible, auto_upgrade=True),
            upgrade_settings=None
            if pool.most_unavailable is None
            else container.NodePoolUpgradeSettingsArgs(
                strategy="SURGE",
                max_surge=0 if pool.most_unavailable else 1,
                max_unavailable=pool.most_unavailable,
            ),
            network_config=container.NodePoolNetworkConfigArgs(enable_private_nodes=True),
            node_config=self._machine(pool),
            opts=pulumi.ResourceOptions.merge(
                self._child,
                pulumi.ResourceOptions(
                    ignore_changes=["initialNodeCount"],
                    custom_timeouts=pulumi.CustomTimeouts(
                        create=f"{CREATE_MINUTES}m", update=f"{DELETE_MINUTES}m", delete=f"{DELETE_MINUTES}m"
                    ),
                ),
            ),
        )

    def _machine(self, pool: MachinePool) -> gcp.container.NodePoolNodeConfigArgs:
        plan, flexible = self._plan, pool.purchase == "flex_start"
        return container.NodePoolNodeConfigArgs(
            machine_type=pool.machine_type,
            image_type="COS_CONTAINERD",
            spot=pool.purchase == "spot" or None,
            flex_start=flexible or None,
            max_run_duration=f"{plan.flex_start_seconds}s" if flexible else None,
            reservation_affinity=_reservation(pool, plan),
            guest_accelerators=_cards(pool),
            service_account=self._account,
            # What it may do is said by its account's roles alone.
            oauth_scopes=[EVERYTHING_BY_ROLE],
            disk_type=pool.disk_type,
            disk_size_gb=plan.disk_gibibytes,
            boot_disk_kms_key=self._key,
            secondary_boot_disks=_images(pool, plan),
            gvnic=container.NodePoolNodeConfigGvnicArgs(enabled=True),
            gcfs_config=container.NodePoolNodeConfigGcfsConfigArgs(enabled=plan.image_streaming),
            workload_metadata_config=container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            shielded_instance_config=container.NodePoolNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_integrity_monitoring=True
            ),
            kubelet_config=container.NodePoolNodeConfigKubeletConfigArgs(
                insecure_kubelet_readonly_port_enabled="FALSE"
            ),
            metadata={"disable-legacy-endpoints": "true"},
            labels={POOL_LABEL: pool.pool, **({CLASS_LABEL: pool.compute_class} if pool.compute_class else {})},
            taints=_taints(pool) or None,
        )


def _taints(pool: MachinePool) -> list[gcp.container.NodePoolNodeConfigTaintArgs]:
    """Of its class; that of GPUs is GKE's own."""
    if pool.compute_class is None:
        return []
    return [
        container.NodePoolNodeConfigTaintArgs(key=CLASS_LABEL, value=pool.compute_class, effect="NO_SCHEDULE"),
    ]


def _cards(pool: MachinePool) -> list[gcp.container.NodePoolNodeConfigGuestAcceleratorArgs] | None:
    if pool.card is None:
        return None
    driver = container.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(gpu_driver_version="LATEST")
    return [
        container.NodePoolNodeConfigGuestAcceleratorArgs(
            type=pool.card,
            count=pool.cards,
            gpu_driver_installation_config=driver,
            gpu_partition_size=pool.shares.profile if pool.shares else None,
            gpu_sharing_config=_in_turn(pool),
        )
    ]


def _in_turn(pool: MachinePool) -> gcp.container.NodePoolNodeConfigGuestAcceleratorGpuSharingConfigArgs | None:
    """A part of a GPU is one replica's own."""
    if pool.shares is None or pool.shares.profile:
        return None
    return container.NodePoolNodeConfigGuestAcceleratorGpuSharingConfigArgs(
        gpu_sharing_strategy="TIME_SHARING", max_shared_clients_per_gpu=pool.shares.replicas
    )


def _images(pool: MachinePool, plan: NodesPlan) -> list[gcp.container.NodePoolNodeConfigSecondaryBootDiskArgs] | None:
    """What is large, and what gateways run is not."""
    if plan.image_disk is None or pool.compute_class is None:
        return None
    return [container.NodePoolNodeConfigSecondaryBootDiskArgs(disk_image=plan.image_disk, mode="CONTAINER_IMAGE_CACHE")]


def _reservation(pool: MachinePool, plan: NodesPlan) -> Any:
    """The one that is named, where that is how it is bought; else none, which others have paid for."""
    args = container.NodePoolNodeConfigReservationAffinityArgs
    if pool.purchase != "reservation":
        return args(consume_reservation_type="NO_RESERVATION")
    return args(
        consume_reservation_type="SPECIFIC_RESERVATION",
        key="compute.googleapis.com/reservation-name",
        values=[plan.reservation or ""],
    )

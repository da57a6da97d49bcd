"""The EKS cluster of a site: its API, logs, add-ons and storage, and the addresses that network policies name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

from infra.plan.address_space import PRIVATE
from infra.plan.serving import ServingPlan
from infra.platforms.aws.config import AwsSettings, ManagedNodes
from infra.platforms.aws.link_plan import reached_from
from infra.platforms.aws.network import NetworkPlan
from infra.platforms.aws.secrets_plan import secrets_read

# What CloudWatch keeps logs for.
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
# Where Pod Identity's agent answers on every node (EKS user guide, "How EKS Pod Identity works", read 2026-11).
IDENTITY_AGENT = "169.254.170.23/32"
# What EKS chooses for services where nobody does: one of two, whichever the network does not have.
CHOSEN_BY_EKS = ("10.100.0.0/16", "172.20.0.0/16")
DNS_PLACE, API_PLACE = 10, 1
BLOCK_CLASS, SHARED_CLASS = "slipway-block", "slipway-shared"
# System, and images of gateways and of what the cluster itself runs; images of engines are on machines' own disks.
NODE_DISK_GIBIBYTES = 100
# A control plane takes about 10 minutes; what is slower is not going to be there.
CREATE_MINUTES, DELETE_MINUTES = 40, 30
# Secrets of Secrets Manager as files of pods, the driver included (EKS user guide, add-ons, read 2026-11).
SECRETS_ADDON = "aws-secrets-store-csi-driver-provider"
# Off unless asked for (the provider's README and its tests of the add-on, read 2026-11). It advises an hour, since each
# look is a request for each secret of each gateway; but a key that is taken back must not be good for so long.
SECRETS_DRIVER = "secrets-store-csi-driver"
SECRETS_ROTATION: Mapping[str, Any] = {"enableSecretRotation": True, "rotationPollInterval": "5m"}


@dataclass(frozen=True, kw_only=True)
class Addon:
    """Software of AWS in the cluster. With `service_account` and `policy` it has a role of its own. `version` None is
    what EKS has by default for that of the cluster. One that is there `before_nodes` runs on each of them: at an
    upgrade it is new before they are."""

    name: str
    configuration: Mapping[str, Any]
    version: str | None = None
    before_nodes: bool = False
    service_account: str | None = None
    policy: str | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterPlan:
    """The EKS cluster. `public_cidrs` is empty for a private one, `administrators` where only who creates it is one.
    `front_door` are the load balancer's addresses, `clients` those of who may ask one that is not on the internet.
    `block_provisioner` makes volumes of one pod; `shared_files` says whether a file system for all is needed."""

    name: str
    kubernetes_version: str
    public_cidrs: tuple[str, ...]
    administrators: tuple[str, ...]
    nodes: str
    auto_mode: bool
    node_image: str | None
    root_volume_gibibytes: int | None
    log_types: tuple[str, ...]
    log_retention_days: int
    addons: Mapping[str, Addon]
    block_provisioner: str
    shared_files: bool
    dns: tuple[str, ...]
    api_server: tuple[str, ...]
    identity_agent: str
    front_door: tuple[str, ...]
    clients: tuple[str, ...]


def cluster_plan(name: str, settings: AwsSettings, network: NetworkPlan, serving: ServingPlan) -> ClusterPlan:
    """Decides it."""
    nodes = settings.nodes
    managed = nodes if isinstance(nodes, ManagedNodes) else None
    pods = serving.gateway_pods
    audit = pods.audit
    shared = audit is not None and audit.volume is not None
    services = [network.services_cidr] if network.services_cidr else [*CHOSEN_BY_EKS]
    internal = [subnet.cidr for subnet in network.of_role("internal").values() if subnet.cidr]
    linked = reached_from(settings)
    doors = network.of_role("private" if linked or not network.of_role("public") else "public")
    return ClusterPlan(
        name=name,
        kubernetes_version=settings.kubernetes_version,
        public_cidrs=tuple(settings.api_endpoint.cidrs),
        administrators=tuple(settings.administrators),
        nodes=str(nodes.kind),
        auto_mode=managed is None,
        node_image=managed.image if managed else None,
        root_volume_gibibytes=managed.root_volume_gibibytes if managed else None,
        log_types=LOG_TYPES,
        log_retention_days=next(days for days in LOG_DAYS if days >= settings.log_retention_days),
        addons={
            addon.name: replace(addon, version=settings.addon_versions.get(addon.name))
            for addon in _addons(managed, shared=shared, secrets=bool(secrets_read(pods.keys, pods.secrets)))
        },
        block_provisioner="ebs.csi.aws.com" if managed else "ebs.csi.eks.amazonaws.com",
        shared_files=shared,
        dns=tuple(_place(cidr, DNS_PLACE) for cidr in services),
        # A policy is applied before a service's address is translated or after it, so both are named. In a network that
        # exists nobody knows where the API has its interfaces: its ports are then open to all that is not denied.
        api_server=(*(_place(cidr, API_PLACE) for cidr in services), *internal) if internal else (),
        identity_agent=IDENTITY_AGENT,
        # A load balancer has an address in each of its subnets; those of a network that exists are private ones.
        front_door=tuple(subnet.cidr for subnet in doors.values() if subnet.cidr) or tuple(map(str, PRIVATE)),
        clients=linked or ((network.cidr,) if network.cidr else tuple(map(str, PRIVATE))),
    )


def addon_names(settings: AwsSettings) -> tuple[str, ...]:
    """Of all that a site with such nodes may have."""
    managed = settings.nodes if isinstance(settings.nodes, ManagedNodes) else None
    return tuple(addon.name for addon in _addons(managed, shared=True, secrets=True))


def _place(cidr: str, place: int) -> str:
    return f"{IPv4Network(cidr)[place]}/32"


def _addons(managed: ManagedNodes | None, *, shared: bool, secrets: bool) -> list[Addon]:
    """What Auto Mode does not bring itself: what autoscalers read, and files that many pods share."""
    found = [Addon(name="metrics-server", configuration={})]
    if secrets:
        found.append(Addon(name=SECRETS_ADDON, configuration={SECRETS_DRIVER: SECRETS_ROTATION}))
    if shared:
        found.append(
            Addon(
                name="aws-efs-csi-driver",
                configuration={},
                service_account="efs-csi-controller-sa",
                policy="service-role/AmazonEFSCSIDriverPolicy",
            )
        )
    if managed:
        found += [
            Addon(
                name="vpc-cni",
                before_nodes=True,
                # Otherwise a NetworkPolicy is only a text.
                configuration={"enableNetworkPolicy": "true", "env": {"ENABLE_PREFIX_DELEGATION": "true"}},
                service_account="aws-node",
                policy="AmazonEKS_CNI_Policy",
            ),
            Addon(name="eks-pod-identity-agent", configuration={}, before_nodes=True),
            Addon(name="coredns", configuration={}),
            Addon(name="kube-proxy", configuration={}, before_nodes=True),
            Addon(
                name="aws-ebs-csi-driver",
                configuration={},
                service_account="ebs-csi-controller-sa",
                policy="service-role/AmazonEBSCSIDriverPolicy",
            ),
        ]
    return found

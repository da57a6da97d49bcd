"""The GKE cluster of a site: its API, when it is changed, and the addresses that network policies name."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from infra.platforms.gcp.config import GcpSettings
from infra.platforms.gcp.link_plan import is_linked
from infra.platforms.gcp.network import NetworkPlan

DNS_PLACE, API_PLACE = 10, 1
# Where pods ask who they are. With Dataplane V2 the address of the metadata itself is what a policy must name; GKE's
# own server answers there, with the pod's identity and never with the machine's (GKE documentation, "Workload Identity
# Federation for GKE", network policies, read 2026-11).
IDENTITY_SERVER = ("169.254.169.252/32", "169.254.169.254/32")
# Of Google's front ends and of whoever asks whether gateways are well (Cloud Load Balancing documentation, firewall
# rules, read 2026-11).
FRONT_ENDS = ("35.191.0.0/16", "130.211.0.0/22")
BLOCK_CLASS = "slipway-block"
# GKE asks for 48 hours in 32 days, in windows of 4 hours or more: nights of Europe and America at the weekend.
MAINTENANCE_BEGINS, MAINTENANCE_ENDS = "2026-01-03T01:00:00Z", "2026-01-03T09:00:00Z"
MAINTENANCE_REPEATS = "FREQ=WEEKLY;BYDAY=SA,SU"
# Without the last four nobody sees why the scheduler or a controller did what it did.
LOGS = ("SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER")
METRICS = (
    *("SYSTEM_COMPONENTS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER"),
    *("STORAGE", "HPA", "POD", "DAEMONSET", "DEPLOYMENT", "STATEFULSET", "CADVISOR", "KUBELET", "DCGM"),
)
# A control plane takes about 10 minutes; what is slower is not going to be there.
CREATE_MINUTES, DELETE_MINUTES = 40, 40


@dataclass(frozen=True, kw_only=True)
class MaintenancePlan:
    """When Google may change the cluster: the first window, and how it repeats (RFC 5545)."""

    begins: str
    ends: str
    repeats: str


@dataclass(frozen=True, kw_only=True)
class ClusterPlan:
    """The GKE cluster. `public_cidrs` is empty for a private one; with `dns_endpoint` it is also reached by its name,
    from anywhere, by whom IAM lets in. `dns` and `api_server` are empty in a network whose ranges nobody here knows.
    `front_door` is from where requests come, `identity_server` where pods ask who they are."""

    name: str
    release_channel: str
    public_cidrs: tuple[str, ...]
    dns_endpoint: bool
    binary_authorization: bool
    image_streaming: bool
    maintenance: MaintenancePlan
    logs: tuple[str, ...]
    metrics: tuple[str, ...]
    dns: tuple[str, ...]
    api_server: tuple[str, ...]
    identity_server: tuple[str, ...]
    front_door: tuple[str, ...]


def cluster_plan(name: str, settings: GcpSettings, network: NetworkPlan) -> ClusterPlan:
    """Decides it."""
    services = IPv4Network(network.services) if network.nodes else None
    return ClusterPlan(
        name=name,
        release_channel=settings.release_channel,
        public_cidrs=tuple(settings.api_endpoint.cidrs),
        dns_endpoint=settings.dns_endpoint,
        binary_authorization=settings.binary_authorization,
        image_streaming=settings.nodes.image_streaming,
        maintenance=MaintenancePlan(begins=MAINTENANCE_BEGINS, ends=MAINTENANCE_ENDS, repeats=MAINTENANCE_REPEATS),
        logs=LOGS,
        metrics=METRICS,
        dns=(f"{services[DNS_PLACE]}/32",) if services else (),
        # A policy is applied before a service's address is translated or after it, so both are named.
        api_server=(f"{services[API_PLACE]}/32", network.api) if services and network.api else (),
        identity_server=IDENTITY_SERVER,
        front_door=(*FRONT_ENDS, *((network.proxies,) if is_linked(settings) and network.proxies else ())),
    )


def api_text(cluster: ClusterPlan) -> str:
    """Who reaches the API, for a reader of the plan."""
    access = f"public, from {', '.join(cluster.public_cidrs)}" if cluster.public_cidrs else "private"
    return f"{access}, and by its name from anywhere, by whom IAM lets in" if cluster.dns_endpoint else access

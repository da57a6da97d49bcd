"""What a user writes about a site on a Kubernetes cluster that exists."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.addresses import Cidr, Domain, KubernetesClass, KubernetesName
from infra.gateway.images import ImageByDigest
from infra.platforms.base import PlatformSettings
from infra.platforms.client_keys import ClientKeysSettings, FromStackSettings
from infra.platforms.gpu_sharing import GpuSharing
from infra.settings import Name, Settings

WeightsMode = Literal["read_write_many", "read_only_many", "node_local"]
LabelKey = Annotated[str, StringConstraints(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
LabelValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]


class GpuNodes(Settings):
    """How this cluster's nodes say which GPUs they have."""

    resource: LabelKey = Field(default="nvidia.com/gpu", description="What pods ask for, one for each GPU.")
    label: LabelKey = Field(default="nvidia.com/gpu.product", description="Label of nodes that names the GPU.")
    products: dict[Name, LabelValue] = Field(
        default_factory=dict,
        description="That label's value, by accelerator, such as `L4: NVIDIA-L4`; unset, nodes are chosen by the "
        "number of GPUs alone.",
    )
    fabric: LabelKey = Field(
        default="topology.kubernetes.io/zone",
        description="Label of nodes whose value is the same for all that one fast network connects: the nodes of one "
        "replica have the same.",
    )
    instead: dict[Name, list[Name]] = Field(
        default_factory=dict,
        description="Accelerators that take another's place while none of it is free, in the order in which they are "
        "tried, such as `L40S: [A100-80GB, H100]`; each is among `products`, and has as much memory or more.",
    )
    taint: LabelKey | None = Field(
        default="nvidia.com/gpu", description="Taint of nodes with GPUs, which engines tolerate; null, none."
    )
    sharing: dict[Name, GpuSharing] = Field(
        default_factory=dict,
        description="How GPUs are shared between replicas, by accelerator; each that is not named is a replica's own.",
    )


class FrontDoorSettings(Settings):
    """How requests come in from outside, and whose certificate they meet."""

    domain: Domain = Field(description="Name that clients use.")
    gateway_class: KubernetesClass | None = Field(
        default=None, description="Class of a Gateway API implementation; or `ingress_class`."
    )
    ingress_class: KubernetesClass | None = Field(
        default=None, description="Class of an ingress controller; or `gateway_class`."
    )
    tls_issuer: KubernetesClass | None = Field(
        default=None, description="A ClusterIssuer of cert-manager that makes the certificate; or `tls_secret`."
    )
    tls_secret: KubernetesName | None = Field(
        default=None, description="A Secret in the namespace that holds the certificate; or `tls_issuer`."
    )
    namespace: KubernetesName | None = Field(
        default=None,
        description="Namespace of the pods that requests come through, which alone may reach the gateways; unset, any "
        "namespace.",
    )
    dns_record: bool = Field(default=False, description="Whether external-dns is asked to make the domain's record.")


class ClusterAddressSettings(Settings):
    """Addresses that network policies name. Unset is right for most clusters."""

    dns: list[Cidr] = Field(
        default_factory=list,
        max_length=8,
        description="Further addresses that answer names, such as a node-local cache: `169.254.20.10/32`.",
    )
    api_server: list[Cidr] = Field(
        default_factory=list,
        max_length=16,
        description="Where the API server is; unset, its ports are open towards every address but machines' "
        "credentials.",
    )


class StorageClasses(Settings):
    """Classes of volumes; unset, the cluster's default."""

    weights: KubernetesClass | None = Field(
        default=None, description="For weights; unset, each pod fetches its own to its node's disk."
    )
    weights_mode: WeightsMode = Field(
        default="read_write_many",
        description="How volumes of `weights` are used: `read_write_many` and `read_only_many` are filled once, and "
        "read by every replica; `node_local` is a volume of each pod on disks of its node, such as local NVMe.",
    )
    audit: KubernetesClass | None = Field(
        default=None,
        description="For the audit, one volume that all gateways write to (ReadWriteMany); unset, the cluster's "
        "default.",
    )
    audit_mode: Literal["read_write_many", "read_write_once"] = Field(
        default="read_write_many",
        description="How the volume of `audit` is used: `read_write_many` by gateways on any node; `read_write_once` "
        "by the site's only gateway on a disk of its node, such as k3s's `local-path`: with an object store too, so "
        "that what an uplink that is away leaves unsent outlives its pod.",
    )
    limits: KubernetesClass | None = Field(
        default=None, description="For what clients have used, read by one pod; unset, the cluster's default."
    )


class KubernetesSettings(PlatformSettings):
    """A cluster that exists."""

    kind: Literal["kubernetes"] = Field(description="A Kubernetes cluster that exists; nodes are its owner's.")
    context: str = Field(
        min_length=1, max_length=253, description="The context of the kubeconfig that is this cluster."
    )
    kubeconfig_path: str | None = Field(
        default=None,
        min_length=1,
        description="Path of the kubeconfig, `~` is the user's home; unset, `KUBECONFIG` or `~/.kube/config`.",
    )
    namespace: KubernetesName = Field(default="slipway", description="Namespace that everything is put into.")
    zones: list[LabelValue] = Field(
        default_factory=list,
        max_length=16,
        description="Zones of its nodes, values of the label `topology.kubernetes.io/zone`; unset, it counts as one.",
    )
    front_door: FrontDoorSettings | None = Field(
        default=None, description="How requests come in from outside; unset, only from inside the cluster."
    )
    storage: StorageClasses = Field(default_factory=StorageClasses, description="Classes of volumes.")
    weight_images: dict[Name, ImageByDigest] = Field(
        default_factory=dict,
        max_length=64,
        description="Models whose weights are mounted from an OCI image, by model, with the image's digest; needs "
        "Kubernetes 1.35, or its feature gate `ImageVolume` before.",
    )
    gpu: GpuNodes = Field(default_factory=GpuNodes, description="How its nodes say which GPUs they have.")
    network_cidr: Cidr | None = Field(
        default=None,
        description="Range of its nodes and pods, where sites' networks are connected; unset, it overlaps with none.",
    )
    prometheus: bool = Field(
        default=False, description="Whether the Prometheus operator is there: monitors and rules are made for it."
    )
    keda: bool = Field(
        default=False,
        description="Whether KEDA 2.20.2 or newer is there: it scales by requests, and to zero. Without it, by "
        "processor load.",
    )
    leader_worker_set: bool = Field(
        default=False,
        description="Whether LeaderWorkerSet 0.8.0 or newer is there: it runs a replica that is spread over nodes "
        "(`accelerator.nodes`).",
    )
    metrics_adapter: bool = Field(
        default=False,
        description="Whether the API of custom metrics has the gateways' `slipway_requests_in_flight`: gateways are "
        "scaled by it too.",
    )
    prometheus_namespace: KubernetesName = Field(
        default="monitoring", description="Namespace of Prometheus, which alone may read metrics."
    )
    keda_namespace: KubernetesName = Field(
        default="keda", description="Namespace of KEDA, which alone may ask gateways for what it scales by."
    )
    addresses: ClusterAddressSettings = Field(
        default_factory=ClusterAddressSettings, description="Addresses that network policies name."
    )
    client_keys_from: ClientKeysSettings = Field(
        default_factory=lambda: FromStackSettings(kind="stack"),
        description="Where gateways find the hashes of clients' keys; unset, the stack writes them.",
    )

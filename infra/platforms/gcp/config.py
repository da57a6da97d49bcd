"""What a user writes about a site on Google Cloud."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from infra.addresses import Cidr, Domain, KubernetesName
from infra.platforms.base import PlatformSettings
from infra.platforms.client_keys import ClientKeysSettings, FromStackSettings
from infra.platforms.clusters import ApiEndpointSettings
from infra.platforms.gcp.names import ProjectId, Region, Zone
from infra.platforms.gcp.peering_settings import PeeringSettings
from infra.platforms.gcp.vpn_settings import VpnSettings
from infra.platforms.gpu_sharing import GpuSharing
from infra.settings import Name, Settings

MachineType = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*-[a-z0-9]+(-[a-z0-9]+)*$"),
    Field(json_schema_extra={"x-remedy": "write it like `n2-standard-4`"}),
]
DiskImage = Annotated[
    str,
    StringConstraints(pattern=r"^projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/global/images/[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"),
    Field(json_schema_extra={"x-remedy": "write it like `projects/PROJECT/global/images/NAME`"}),
]
BillingAccount = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$"),
    Field(json_schema_extra={"x-remedy": "write it like `012345-6789AB-CDEF01`"}),
]
NotificationChannel = Annotated[
    str,
    StringConstraints(pattern=r"^projects/[a-z0-9-]+/notificationChannels/[0-9]+$"),
    Field(json_schema_extra={"x-remedy": "write it like `projects/PROJECT/notificationChannels/NUMBER`"}),
]


class ExistingGcpNetwork(Settings):
    """A network that exists."""

    network: KubernetesName = Field(description="Name of the network.")
    subnetwork: KubernetesName = Field(description="The subnetwork of nodes, in the site's region.")
    pods_range: KubernetesName = Field(description="Name of its secondary range for pods.")
    services_range: KubernetesName = Field(description="Name of its secondary range for services.")


class GcpNetworkSettings(Settings):
    """The network: a new one of that range, or one that exists."""

    cidr: Cidr | None = Field(default=None, description="Range of a new network, /14 to /19; or `existing`.")
    existing: ExistingGcpNetwork | None = Field(default=None, description="A network that exists; or `cidr`.")

    @model_validator(mode="after")
    def _one_of_them(self) -> GcpNetworkSettings:
        if (self.cidr is None) == (self.existing is None):
            both = self.cidr is not None
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": f"{'both' if both else 'none'} of `cidr` and `existing`",
                    "allowed": "one of them: a new network, or one that exists",
                    "remedy": "remove one of them" if both else "add `cidr`, such as `10.60.0.0/16`",
                },
            )
        return self


class NodeSettings(Settings):
    """How machines with GPUs are bought."""

    purchase: Annotated[
        list[Literal["reservation", "on_demand", "flex_start", "spot"]], Field(min_length=1, max_length=4)
    ] = Field(default=["on_demand"], description="In this order; the first that is to be had serves.")
    reservation: KubernetesName | None = Field(
        default=None, description="The reservation that `reservation` in `purchase` means, by name."
    )
    flex_start_seconds: int = Field(
        default=604_800,
        ge=600,
        le=604_800,
        description="How long a machine of `flex_start` is kept, in seconds; then it ends, whatever runs on it.",
    )
    image_streaming: bool = Field(
        default=True, description="Whether containers start while their image is still being read."
    )
    image_disk: DiskImage | None = Field(
        default=None,
        description="A disk with container images that each machine of models gets beside its own, such as "
        "`projects/PROJECT/global/images/NAME`, made by Google's `gke-disk-image-builder`: what is on it is not "
        "pulled. Another one means other machines. It has Google's own encryption, and nothing of clients on it.",
    )
    sharing: dict[Name, GpuSharing] = Field(
        default_factory=dict,
        max_length=20,
        description="How replicas share GPUs, by accelerator: in turn, or by parts that GKE divides them into. What is "
        "not here is one replica's own.",
    )


class ArmorSettings(Settings):
    """Cloud Armor, Google's firewall for the web, in front of everything. It never judges bodies: prompts look like
    attacks."""

    requests_per_minute: int = Field(
        default=2000, ge=10, le=1_000_000_000, description="Requests of one address in a minute; more is refused."
    )


class AuditBucketSettings(Settings):
    """The bucket of the site for the audit of its gateways. What is in it can only be read."""

    days: int = Field(default=365, ge=1, le=36_500, description="For how many days nobody deletes or changes it.")
    locked: bool = Field(
        default=False,
        description="Whether nobody can ever make that time shorter, not even the owner; it cannot be taken back.",
    )


class MemorystoreSettings(Settings):
    """Memorystore for Valkey, over zones, in which the gateways of the site count limits together."""

    node_type: Literal["standard-small", "highmem-medium", "highmem-xlarge"] = Field(
        default="standard-small", description="Its machines: the smallest has room for the counts of any gateways."
    )


class GcpSettings(PlatformSettings):
    """A region of Google Cloud."""

    kind: Literal["gcp"] = Field(description="A GKE cluster of its own in one region of Google Cloud.")
    project: ProjectId = Field(description="Id of the project that everything is in.")
    region: Region = Field(description="The region, such as `us-central1`.")
    zones: list[Zone] = Field(
        min_length=1,
        max_length=4,
        description="The zones of nodes, such as `us-central1-a`; they are pinned, since not every one has every GPU.",
    )
    domain: Domain = Field(description="Name that clients use.")
    dns_zone: KubernetesName | None = Field(
        default=None, description="Managed zone of Cloud DNS that the name is in; unset, it is looked up by the domain."
    )
    network: GcpNetworkSettings = Field(description="The network: a new one, or one that exists.")
    nat: bool = Field(
        default=True, description="Whether nodes of a new network reach the internet; else only services of Google."
    )
    vpn: VpnSettings | None = Field(
        default=None,
        description="A private link to a network elsewhere, through which alone the site is then reached; unset, its "
        "front door is on the internet.",
    )
    peering: PeeringSettings | None = Field(
        default=None,
        description="A private link to another network of Google Cloud, through which alone the site is then reached.",
    )
    api_endpoint: ApiEndpointSettings = Field(
        default_factory=ApiEndpointSettings, description="Who reaches the cluster's API."
    )
    dns_endpoint: bool = Field(
        default=False,
        description="Whether the cluster's API is also reached from anywhere by its name in DNS, by whom IAM lets in: "
        "deployments then need not run inside its network. Addresses do not bound it.",
    )
    release_channel: Literal["rapid", "regular", "stable", "extended"] = Field(
        default="regular", description="How soon the cluster gets new versions of Kubernetes."
    )
    nodes: NodeSettings = Field(default_factory=NodeSettings, description="How machines with GPUs are bought.")
    gateway_machine_type: MachineType = Field(
        default="n2-standard-4", description="Machines of gateways and of what the cluster itself needs."
    )
    processor_machine_type: MachineType = Field(
        default="n2-standard-16", description="Machines of models without an accelerator."
    )
    keda: bool = Field(
        default=False,
        description="Whether KEDA is installed there, from its makers' chart: it scales by requests, by hours, and to "
        "zero. Without it, by processor load.",
    )
    armor: ArmorSettings | None = Field(
        default_factory=ArmorSettings, description="Cloud Armor in front; null: none, which the plan warns of."
    )
    binary_authorization: bool = Field(
        default=True, description="Whether the cluster only runs images that are allowed by name or signed."
    )
    weights_from: Literal["bucket", "mount", "source"] = Field(
        default="bucket",
        description="Where replicas get weights of a hub from: `bucket`, one of the site, which a job fills once; "
        "`mount`, that bucket too, as a file system of each pod (Cloud Storage FUSE); or `source`, the hub itself, "
        "each time.",
    )
    audit_bucket: AuditBucketSettings = Field(
        default_factory=AuditBucketSettings,
        description="Where gateways copy their audit if `gateway.audit.object_store` names no other bucket.",
    )
    memorystore: MemorystoreSettings | None = Field(
        default=None,
        description="Where gateways count limits together; unset, in a Valkey in the cluster, which goes with its zone "
        "for a while. Its price is not known here: a `budget` needs it in `pricing.prices`.",
    )
    client_keys_from: ClientKeysSettings = Field(
        default_factory=lambda: FromStackSettings(kind="stack"),
        description="Where gateways find the hashes of clients' keys; unset, the stack writes them. Of Secret Manager "
        "by the driver's provider `gke`, each secret by its name.",
    )
    billing_account: BillingAccount | None = Field(
        default=None, description="The account that pays: Google watches `budget` there; unset, it does not."
    )
    notification_channels: list[NotificationChannel] = Field(
        default_factory=list,
        max_length=5,
        description="Channels of Cloud Monitoring that hear of `budget`; unset, the administrators of the account.",
    )
    deletion_protection: bool = Field(
        default=True, description="Whether cluster, keys and buckets refuse to be deleted."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, max_length=40, description="Labels of everything that is made."
    )

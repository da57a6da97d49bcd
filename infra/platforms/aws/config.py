"""What a user writes about a site on AWS."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from infra.addresses import Cidr, Domain
from infra.platforms.aws.client_authority import ClientAuthoritySettings
from infra.platforms.aws.gateway_secrets import GatewaySecretsSettings, SecretsOfStackSettings
from infra.platforms.aws.link_settings import PeeringSettings, VpnSettings
from infra.platforms.aws.prometheus_settings import PrometheusWorkspace
from infra.platforms.base import PlatformSettings
from infra.platforms.client_keys import ClientKeysSettings, FromStackSettings
from infra.platforms.clusters import ApiEndpointSettings
from infra.platforms.gpu_sharing import GpuSharing
from infra.platforms.site_weights import WeightsFrom
from infra.settings import Name, Settings

Zone = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-f]$"),
    Field(json_schema_extra={"x-remedy": "write the region and one letter, like `us-east-1a`"}),
]
SubnetId = Annotated[
    str,
    StringConstraints(pattern=r"^subnet-[0-9a-f]{8,17}$"),
    Field(json_schema_extra={"x-remedy": "write it like `subnet-0123456789abcdef0`"}),
]
InstanceType = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$"),
    Field(json_schema_extra={"x-remedy": "write it like `m6i.xlarge`"}),
]
AddonVersion = Annotated[
    str,
    StringConstraints(pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+-[a-z0-9]+\.[0-9]+$"),
    Field(json_schema_extra={"x-remedy": "write it as EKS does, like `v1.13.2-eksbuild.4`"}),
]
RoleArn = Annotated[
    str,
    StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$"),
    Field(json_schema_extra={"x-remedy": "write it like `arn:aws:iam::123456789012:role/operations`"}),
]
PolicyArn = Annotated[
    str,
    StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:policy/[A-Za-z0-9_+=,.@/-]+$"),
    Field(json_schema_extra={"x-remedy": "write it like `arn:aws:iam::123456789012:policy/slipway-bootstrap/prod`"}),
]
TopicArn = Annotated[
    str,
    StringConstraints(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$"),
    Field(json_schema_extra={"x-remedy": "write it like `arn:aws:sns:us-east-1:123456789012:operations`"}),
]
KeyArn = Annotated[
    str,
    StringConstraints(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$"),
    Field(json_schema_extra={"x-remedy": "write it like `arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-…`"}),
]
VpcId = Annotated[str, StringConstraints(pattern=r"^vpc-[0-9a-f]{8,17}$")]
HostedZoneId = Annotated[str, StringConstraints(pattern=r"^Z[A-Z0-9]{5,31}$")]
# In the order in which machines are asked for; the first that is to be had serves.
Purchase = Annotated[list[Literal["reservation", "on_demand", "spot"]], Field(min_length=1, max_length=3)]


class ExistingVpc(Settings):
    """A network that exists."""

    vpc_id: VpcId = Field(description="Its id, such as `vpc-0123456789abcdef0`.")
    private_subnets: dict[Zone, SubnetId] = Field(min_length=1, description="Subnets of nodes, by zone.")
    public_subnets: dict[Zone, SubnetId] = Field(
        default_factory=dict, description="Subnets of the load balancer, by zone; unset, it is internal."
    )


class AwsNetworkSettings(Settings):
    """The network: a new one of that range, or one that exists."""

    cidr: Cidr | None = Field(default=None, description="Range of a new network, /16 to /19; or `existing`.")
    existing: ExistingVpc | None = Field(default=None, description="A network that exists; or `cidr`.")
    services_cidr: Cidr | None = Field(
        default=None,
        description="Range of the cluster's services, /12 to /24, outside of the network; unset, a sixteenth of `cidr` "
        "in another private space, or what EKS chooses for a network that exists.",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> AwsNetworkSettings:
        if (self.cidr is None) == (self.existing is None):
            both = self.cidr is not None
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": f"{'both' if both else 'none'} of `cidr` and `existing`",
                    "allowed": "one of them: a new network, or one that exists",
                    "remedy": "remove one of them" if both else "add `cidr`, such as `10.40.0.0/16`",
                },
            )
        return self


class AutoModeNodes(Settings):
    """Nodes that EKS chooses, starts, patches and ends."""

    kind: Literal["auto_mode"] = Field(description="EKS Auto Mode; a node lives 21 days at most.")
    purchase: Purchase = Field(default=["on_demand"], description="How machines with GPUs are bought, in this order.")

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_shared(cls, written: Any) -> Any:
        found: object = written
        if isinstance(found, dict) and "sharing" in found:
            raise PydanticCustomError(
                "slipway",
                "{found}",
                {
                    "found": "`sharing`, with nodes that EKS itself runs",
                    "allowed": "GPUs that replicas share on node groups of ours: Auto Mode sets up its device plugin "
                    "by itself, and each GPU is one replica's",
                    "remedy": "write `kind: managed`, or remove `sharing`",
                },
            )
        return written


class ManagedNodes(Settings):
    """Node groups of ours."""

    kind: Literal["managed"] = Field(
        description="Managed node groups, one for each way to buy in each zone; needed for models of several nodes, "
        "which then talk by EFA."
    )
    purchase: Purchase = Field(default=["on_demand"], description="How machines with GPUs are bought, in this order.")
    image: Literal["bottlerocket", "amazon_linux_2023"] = Field(
        default="bottlerocket", description="Operating system of nodes."
    )
    root_volume_gibibytes: int = Field(
        default=300, ge=50, le=16_384, description="Disk of a node with GPUs, which holds images, in GiB."
    )
    reservation_zone: Zone | None = Field(
        default=None, description="The zone that the reservation is in; needed with `reservation` in `purchase`."
    )
    capacity_block: bool = Field(
        default=False,
        description="Whether the reservation is a capacity block for machine learning; its machines end when it does.",
    )
    sharing: dict[Name, GpuSharing] = Field(
        default_factory=dict,
        description="How replicas share GPUs, by accelerator: `time_slices`, or `mig` with `bottlerocket`. Each "
        "that is not named is a replica's own.",
    )


class WafSettings(Settings):
    """Amazon's web application firewall in front. Rules about bodies count only: prompts look like attacks."""

    requests_per_five_minutes: int = Field(
        default=10_000, ge=10, le=2_000_000_000, description="Requests of one address in five minutes; more is refused."
    )


class AuditBucketSettings(Settings):
    """A bucket of the site for the audit of its gateways. What is in it can only be read."""

    mode: Literal["governance", "compliance"] = Field(
        default="governance",
        description="`governance` can be lifted by who has the right to; `compliance` by nobody, not even the owner.",
    )
    days: int = Field(default=365, ge=1, le=36_500, description="For how many days nobody deletes or changes it.")


class AwsSettings(PlatformSettings):
    """A region of AWS."""

    kind: Literal["aws"] = Field(description="An EKS cluster of its own in one region of AWS.")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="The region, such as `us-east-1`.")
    zones: list[Zone] = Field(
        min_length=2, max_length=6, description="The zones to use, two or more, such as `us-east-1a`; they are pinned."
    )
    domain: Domain = Field(description="Name that clients use, in a zone of Route 53.")
    hosted_zone_id: HostedZoneId | None = Field(
        default=None,
        description="Id of that zone of Route 53; unset, the zone of the domain without its first part is looked up.",
    )
    client_authority: ClientAuthoritySettings | None = Field(
        default=None, description="Whose certificates clients show at the load balancer; unset, it asks for none."
    )
    network: AwsNetworkSettings = Field(description="The network: a new one, or one that exists.")
    nat: Literal["per_zone", "single", "none"] = Field(
        default="per_zone",
        description="How nodes of a new network reach the internet: `single` is cheaper and ends with its zone, `none` "
        "leaves them the endpoints of AWS only.",
    )
    vpn: VpnSettings | None = Field(
        default=None,
        description="A private link to own machines, through which alone the site is then reached; unset, its front "
        "door is on the internet.",
    )
    peering: PeeringSettings | None = Field(
        default=None, description="A private link to another VPC, through which alone the site is then reached."
    )
    api_endpoint: ApiEndpointSettings = Field(
        default_factory=ApiEndpointSettings, description="Who reaches the cluster's API."
    )
    administrators: list[RoleArn] = Field(
        default_factory=list,
        max_length=16,
        description="Roles that administer the cluster; unset, only the one that creates it.",
    )
    permissions_boundary: PolicyArn | None = Field(
        default=None,
        description="Policy beyond which no role of the site has a right: `boundaries` of `bootstrap/`; unset, none.",
    )
    kubernetes_version: Literal["1.34", "1.35"] = Field(default="1.35", description="Version of Kubernetes.")
    addon_versions: dict[str, AddonVersion] = Field(
        default_factory=dict,
        max_length=16,
        description="Versions of EKS add-ons by their names; of others, what EKS has by default for the cluster's "
        "version, asked at each deployment. Doctor says which that are.",
    )
    nodes: Annotated[AutoModeNodes | ManagedNodes, Field(discriminator="kind")] = Field(
        default_factory=lambda: AutoModeNodes(kind="auto_mode"),
        description="Who runs the nodes, and how they are bought.",
    )
    reservation_id: str | None = Field(
        default=None,
        pattern=r"^cr-[0-9a-f]{8,17}$",
        description="The capacity reservation or capacity block that `reservation` in `purchase` means.",
    )
    gateway_instance_type: InstanceType = Field(
        default="m6i.xlarge", description="Machines of gateways and of what the cluster itself needs."
    )
    processor_instance_type: InstanceType = Field(
        default="m6i.4xlarge", description="Machines of models without an accelerator."
    )
    keda: bool = Field(
        default=False,
        description="Whether KEDA is installed there, from its makers' chart: it scales by requests, by hours, and to "
        "zero. Without it, by processor load.",
    )
    limits_node_type: str = Field(
        default="cache.t4g.small",
        pattern=r"^cache\.[a-z0-9-]+\.[a-z0-9]+$",
        description="Nodes of ElastiCache for Valkey, one in each zone, in which gateways count together where "
        "`gateway.limits_store` names no other store.",
    )
    waf: WafSettings | None = Field(
        default_factory=WafSettings, description="The web application firewall; null: none, which the plan warns of."
    )
    shield_advanced: bool = Field(
        default=False,
        description="Whether Shield Advanced guards the load balancer against floods. The account must have subscribed "
        "to it: 3,000 dollars a month for the whole organisation, for a year at least.",
    )
    weights_from: WeightsFrom = "bucket"
    weights_keys: list[KeyArn] = Field(
        default_factory=list,
        max_length=8,
        description="Keys of KMS with which weights of a `source: {kind: s3}` are encrypted; unset, none of one's own.",
    )
    audit_bucket: AuditBucketSettings | None = Field(
        default_factory=AuditBucketSettings,
        description="Where gateways copy their audit if `gateway.audit.object_store` names no other bucket; null: "
        "nowhere, and it stays on a file system of the site.",
    )
    client_keys_from: ClientKeysSettings = Field(
        default_factory=lambda: FromStackSettings(kind="stack"),
        description="Where gateways find the hashes of clients' keys; unset, the stack writes them. Of Secrets Manager "
        "by the driver's provider `aws`: with `usePodIdentity`, and each secret by its ARN.",
    )
    gateway_secrets_from: GatewaySecretsSettings = Field(
        default_factory=lambda: SecretsOfStackSettings(kind="stack"),
        description="Where gateways find the secrets that the deployment names, such as keys of an object store; "
        "unset, the stack writes them.",
    )
    alarm_topics: list[TopicArn] = Field(
        default_factory=list,
        max_length=5,
        description="Topics of SNS that hear of alarms; unset, alarms are seen in the console alone. The first one "
        "hears of `budget` too, where its policy lets `budgets.amazonaws.com` publish, and of alerts of a new "
        "`prometheus_workspace`, where it lets `aps.amazonaws.com`.",
    )
    prometheus_workspace: PrometheusWorkspace | None = Field(
        default=None,
        description="Where AWS keeps the metrics of gateways and engines, and rings the alerts of the site; null: "
        "nobody asks for them.",
    )
    deletion_protection: bool = Field(
        default=True, description="Whether cluster, load balancer and keys refuse to be deleted."
    )
    log_retention_days: int = Field(
        default=365,
        ge=1,
        le=3653,
        description="How long logs of the cluster are kept at least, in days; CloudWatch's next longer time is taken.",
    )
    tags: dict[str, str] = Field(default_factory=dict, max_length=40, description="Tags of everything that is made.")

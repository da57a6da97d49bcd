"""What a user writes about day one on AWS, under `slipway-bootstrap:bootstrap`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.platforms.aws.config import HostedZoneId, KeyArn, SubnetId, VpcId
from infra.platforms.aws.gateway_secrets import SecretArn
from infra.settings import Name, Settings

BOOTSTRAP_PROJECT = "slipway-bootstrap"
BOOTSTRAP_KEY = f"{BOOTSTRAP_PROJECT}:bootstrap"

Region = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$"),
    Field(json_schema_extra={"x-remedy": "write it like `us-east-1`"}),
]
ImageName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=64),
    Field(json_schema_extra={"x-remedy": "write it like `gateway`"}),
]
BucketName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"),
    Field(json_schema_extra={"x-remedy": "write what stands between `s3://` and the next `/`"}),
]
Email = Annotated[
    str,
    StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254),
    Field(json_schema_extra={"x-remedy": "write it like `operations@example.com`"}),
]


# Shorter than other names: roles are called after it, and AWS' names are short.
DeployedName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,38}[A-Za-z0-9])?$"),
    Field(description="A stack: 1 to 40 letters, digits, `.`, `_` or `-`, beginning and ending with one of the first."),
]


class RunnerSettings(Settings):
    """Runs deployments inside a network, where an API of a cluster is reached that is private."""

    vpc_id: VpcId = Field(description="The network, such as `vpc-0123456789abcdef0`.")
    subnet_ids: list[SubnetId] = Field(
        min_length=1, max_length=16, description="Private subnets of it, with a way to the internet."
    )
    connection_arn: str = Field(
        pattern=r"^arn:aws:(codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}:connection/[0-9a-f-]{36}$",
        description="Connection to GitHub; a person makes and confirms it in the console, once for an account.",
    )


class DeployedStack(Settings):
    """A stack of the project, and what whoever deploys it may reach."""

    sites: dict[Name, Region] = Field(
        min_length=1, description="Its sites on AWS by their names in the deployment, with the region of each."
    )
    hosted_zone_id: HostedZoneId = Field(description="The zone of Route 53 that its names are in; no other is written.")
    protected: bool = Field(
        default=True, description="Whether its buckets may be emptied by no deployment, as `deletion_protection` means."
    )
    weights_buckets: list[BucketName] = Field(
        default_factory=list, max_length=8, description="Buckets that its engines may read (`source: {kind: s3}`)."
    )
    weights_keys: list[KeyArn] = Field(
        default_factory=list, max_length=8, description="Keys of KMS with which those buckets are encrypted."
    )
    secrets: list[SecretArn] = Field(
        default_factory=list,
        max_length=16,
        description="Secrets of Secrets Manager that its gateways may read (`gateway_secrets_from`, "
        "`client_keys_from`).",
    )
    grafana: bool = Field(
        default=False,
        description="Whether it may make workspaces of Grafana, for which it gets rights on IAM Identity Center.",
    )
    budget_dollars_per_month: int | None = Field(
        default=None, ge=1, le=1_000_000_000, description="What it may cost; `notify` hears of 80 % and of a forecast."
    )


class BootstrapSettings(Settings):
    """Day one on AWS: one account."""

    account_id: str = Field(
        pattern=r"^[0-9]{12}$", description="The account, twelve digits in quotes; with another one nothing is made."
    )
    region: Region = Field(description="Where state, keys and images are kept.")
    repository: str = Field(
        pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$",
        description="The repository on GitHub whose workflows deploy, such as `example/slipway`.",
    )
    stacks: dict[DeployedName, DeployedStack] = Field(
        min_length=1, description="Stacks that are deployed from it, by name."
    )
    images: list[ImageName] = Field(
        default=["gateway", "vllm"], max_length=32, description="Images that get a repository, `slipway/NAME`."
    )
    runner: RunnerSettings | None = Field(default=None, description="A runner inside a network; unset, none.")
    notify: list[Email] = Field(default_factory=list, max_length=10, description="Who hears of budgets.")
    deletion_protection: bool = Field(default=True, description="Whether state, keys and images refuse to be deleted.")
    tags: dict[str, str] = Field(default_factory=dict, max_length=40, description="Tags of everything that is made.")

"""What a platform is: settings a user writes, a pure plan, and a component that deploys exactly that plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Protocol

from infra.plan.address_space import PRIVATE
from infra.plan.gateway_image import GatewayImagePlan
from infra.plan.making_types import MakingPlan
from infra.plan.start_types import StartingPlace
from infra.plan.trial_types import TrialPlan
from infra.plan.types import Accelerator, DrainPlan, ModelPlan, Replicas, SitePlan
from infra.plan.zone_loss import SinglePoint
from infra.price.bill import Use
from infra.problems import Problem
from infra.settings import Settings


class PlatformSettings(Settings):
    """Base of every platform's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any


@dataclass(frozen=True, kw_only=True)
class EngineAddress:
    """What an engine process is given on a platform: fixed values, or placeholders filled when it starts.

    `containers` says whether engines run from their images here. In paths, `{model}` is the model's name; a platform
    with containers ends `weights_path` with it, since TensorRT-LLM calls a model by its folder. Adapters and drafts
    are put below `further_weights_path`; None: this platform brings one set of weights for each model. `threads` is a
    placeholder wherever only whoever starts the process knows how many processors it gets.
    """

    host: str
    port: str
    weights_path: str
    key_file: str
    threads: str = "{threads}"
    containers: bool = False
    further_weights_path: str | None = None
    cache_path: str = "/cache"


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a range that is chosen must be: a prefix length from that of the largest range to that of the smallest (none
    when the largest is too small), inside one of `spaces`. `why` says what needs so much."""

    largest: int
    smallest: int
    why: str
    spaces: tuple[IPv4Network, ...] = PRIVATE


@dataclass(frozen=True, kw_only=True)
class Range:
    """A range of addresses that a site takes, and the field below `platform` that says so. `room` is None where it
    exists and is as it is. `follows` is the field of the range that this one moves with."""

    field: str
    cidr: str
    room: Room | None = None
    follows: str | None = None


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What a site can do, as far as anybody but its platform asks.

    `most_replicas` of one model: None where only machines limit it. `cloud` and `region` are as in the catalogue, None
    for own machines; `gpus` is how many of each one machine can have, None where nobody knows. `counts_together` says
    whether several gateways of such a site share what clients have used where no store is named for it. `single_points`
    are what all its replicas need and only one of its zones has. `reads_buckets` says whether engines there have an
    identity that a bucket knows, `keeps_weights` whether a bucket of the site has what a hub has. `several_nodes` says
    whether one replica may be spread over machines there, and `why_one_node` why not. `shared_by` is how many replicas
    share a GPU, by accelerator, where the plan counts them so. `runs_jobs` says whether something starts there at its
    hour; `endpoint` is the origin by which others reach it, None where nobody but its surroundings knows one, and
    `way` what leads there where it is not the internet. `tls_ends_at` is what ends TLS in front of its gateways,
    None where they end it themselves, if anybody does, and `asks_certificate` whether it lets in who shows one alone.
    `services` are those of a
    cloud that it uses, as types of resources begin; `audit_days` is how long its own bucket keeps the audit, None where
    it has none.
    """

    zones: int = 1
    most_replicas: int | None = None
    scales_to_zero: bool = False
    cloud: str | None = None
    region: str | None = None
    gpus: Mapping[str, int] | None = None
    counts_together: bool = False
    single_points: tuple[SinglePoint, ...] = ()
    reads_buckets: bool = False
    keeps_weights: bool = False
    several_nodes: bool = False
    why_one_node: str = "where a replica has one machine"
    shared_by: Mapping[str, int] = field(default_factory=dict[str, int])
    runs_jobs: bool = False
    endpoint: str | None = None
    way: str | None = None
    tls_ends_at: str | None = None
    asks_certificate: bool = False
    services: tuple[str, ...] = ()
    audit_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class OtherPurchase:
    """Another way to buy the machines with GPUs of a site: as it is written, the settings that it makes, and what is
    given up for it."""

    written: str
    settings: Any
    gives_up: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SiteRequest:
    """What a platform plans a site from. `where` is the site's path in the configuration, for problems; `gateway` is
    the content of the gateway's file, without what only a running site knows. Sites with the same models share
    `models`, `replicas` and `gateway`. `images` are those beside the engines', by what runs from them; `gateway_build`
    is the gateway's, where the stack builds it; `trials` and `makings` are all of the deployment's. `together` says
    that gateway and engines are one, as far as the platform can make them so. `failover` is `primary` or `secondary`
    where one site takes over from another under the same name, `active` where both have it. The budget is the whole
    deployment's."""

    where: str
    stack: str
    site: str
    settings: Any
    # What they have on other sites too, so that `sites` and `replicas` of these are not for one site's plan.
    models: Mapping[str, ModelPlan]
    replicas: Mapping[str, Replicas]
    gateways: int
    gateway: Mapping[str, Any]
    drain: DrainPlan
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    gateway_build: GatewayImagePlan | None = None
    trials: Mapping[str, TrialPlan] = field(default_factory=dict[str, TrialPlan])
    makings: Mapping[str, MakingPlan] = field(default_factory=dict[str, MakingPlan])
    together: bool = False
    failover: str | None = None
    budget_dollars_per_month: float | None = None


@dataclass(frozen=True, kw_only=True)
class SiteSecrets:
    """What a site needs and no plan may hold. Values are Pulumi inputs, marked secret."""

    key_hashes: Any
    huggingface_token: Any
    gateway_secrets: Any
    # One key of each client; of nobody where no stack makes them.
    client_keys: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Platform(Protocol):
    """One kind of place. Its module imports no `pulumi`; `component` names the class that deploys, imported late."""

    @property
    def settings(self) -> type[PlatformSettings]: ...

    @property
    def engine_address(self) -> EngineAddress: ...

    @property
    def is_this_machine(self) -> bool:
        """Whether a site is always the machine that deploys it, so that a stack has one at most."""
        ...

    @property
    def component(self) -> str | None:
        """`module:Class` of the Pulumi component, made with `(name, SitePlan, SiteSecrets, opts)`; has `endpoint`, and
        `private_link` where one leads there: what its other end is set up with.
        None: this version plans such sites and does not deploy them."""
        ...

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras of this project that deploying to such a site needs installed."""
        ...

    @property
    def doctor(self) -> str | None:
        """`module:object` of the `Doctor` that looks at sites before they are deployed. None: this version has none."""
        ...

    @property
    def run_time(self) -> str | None:
        """`module:object` of the `RunTime` that changes running sites without a deployment. None: nobody can."""
        ...

    def abilities(self, settings: Any) -> Abilities:
        """What a site with these settings can do."""
        ...

    def ranges(self, request: SiteRequest) -> Iterator[Range]:
        """The ranges of addresses that this site takes: none of them may overlap another site's. They depend on nothing
        outside of the site."""
        ...

    def starting_place(self, settings: Any, accelerator: Accelerator | None) -> StartingPlace:
        """How a replica with that accelerator starts on a site with these settings."""
        ...

    def problems(self, request: SiteRequest) -> Iterator[Problem]:
        """Why this site cannot be as it is described, each with what can."""
        ...

    def warnings(self, request: SiteRequest) -> Iterator[str]:
        """Named weakenings that are in force, one sentence each."""
        ...

    def plan(self, request: SiteRequest) -> SitePlan:
        """The site, decided. Called only when there is no problem."""
        ...

    def other_purchases(self, settings: Any) -> Iterator[OtherPurchase]:
        """How its machines with GPUs could be bought otherwise for less."""
        ...

    def uses(self, request: SiteRequest, plan: SitePlan) -> Iterator[Use]:
        """What somebody charges for such a site; nothing for own machines."""
        ...

"""The plan's words: frozen dataclasses that pass from the planner to components, reports and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.plan.card_types import ModelCard
from infra.plan.drain_types import DrainPlan, SiteDrain
from infra.plan.figures import ModelCalibration, ModelMemory, ModelPerformance
from infra.plan.link_types import SiteLink
from infra.plan.making_types import MakingPlan
from infra.plan.operation import ModelOperation
from infra.plan.price_types import ModelPrice, PricePlan
from infra.plan.start_types import ModelColdStart
from infra.plan.trial_types import TrialPlan


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Where weights are and what they must hash to. `sha256` is absent only for a whole repository at a commit."""

    kind: str
    location: str
    file: str | None
    revision: str | None
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Image:
    """A container image. Without a digest it is what its tag names today. `entry` is what the catalogue calls it, or
    the one that it is a mirror or build of."""

    repository: str
    tag: str | None
    digest: str | None
    entry: str | None = None

    @property
    def reference(self) -> str:
        """As a container runtime takes it."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}{f'@{self.digest}' if self.digest else ''}"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How often something is asked, how long an answer may take, and how many failures count. An engine leaves
    `failures` None for the start: how long that may take is the plan's to say."""

    period_seconds: int
    timeout_seconds: int
    failures: int | None


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Start and readiness ask `readiness_path`, liveness asks `liveness_path`."""

    startup: Probe
    readiness: Probe
    liveness: Probe


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """How one engine replica is run and watched, the same in a process, a pod or a service.

    `running_metric` and `queued_metric` are series of `metrics_path`; their sum is zero exactly when the engine is
    idle. `drains_on_sigterm` says whether the engine finishes its streams by itself when told to stop;
    `stop_margin_seconds` is what it needs on top of its longest answer.

    The engine's key is in the file at `key_file`, as `key_file_content` with `{key}` for it, or in the variable
    `key_environment`. All None: the engine knows no keys.
    `files` are to be there with that content, `further_weights` with those weights, by path. `adapter_names` says what
    the engine calls each adapter in a request's `model`. `writable_paths` are folders that it must be able to write
    as `user`, which no image has an account for. One that `streams_weights` reads them out of a bucket.

    `worker_arguments` are those of a replica's other nodes, where it has several: empty where it has one. In both,
    `{leader_address}` and `{node_rank}` are filled by the launcher, which alone knows them.
    """

    image: Image
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    ports: Mapping[str, str]
    endpoints: tuple[str, ...]
    readiness_path: str
    liveness_path: str
    probes: Probes
    metrics_path: str
    running_metric: str
    queued_metric: str
    kv_usage_metric: str | None
    latency_metric: str | None
    drains_on_sigterm: bool
    stop_margin_seconds: int
    key_file: str | None
    key_file_content: str | None
    key_environment: str | None
    files: Mapping[str, str]
    further_weights: Mapping[str, Weights]
    adapter_names: Mapping[str, str]
    writable_paths: tuple[str, ...]
    shared_memory_gib: int
    user: int
    streams_weights: bool = False
    worker_arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Replicas:
    """How many engine instances of a model may run."""

    min: int
    max: int


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """The GPUs that one replica has in each of its machines."""

    type: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another way to serve a model, no less at its objective, for less: what would be written otherwise, its machines
    at the fewest replicas, what these cost a month, and what is given up for it. `replicas` are those of one site."""

    changes: tuple[str, ...]
    accelerator: Accelerator
    replicas: Replicas
    machines: str
    instead_of: str
    dollars_per_month: float
    saves_dollars_per_month: float
    saves_percent: float
    gives_up: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ModelPlan:
    """One model deployment, decided. `replicas` are those of all sites together, `drain` is the longest of them;
    `accelerator` is None where it runs on processors, `nodes` are the machines of a replica. `memory`, `performance`,
    `price` and `cold_start` are None where nothing is known. `alternatives` cost a fifth less or even less. `container`
    is how it is run on the first of its sites."""

    engine: str
    engine_arguments: tuple[str, ...]
    task: str
    context_tokens: int
    concurrent_requests: int
    max_output_tokens: int
    weights: Weights
    card: ModelCard | None = None
    accelerator: Accelerator | None
    nodes: int = 1
    memory: ModelMemory | None = None
    performance: ModelPerformance | None = None
    calibration: ModelCalibration | None = None
    price: ModelPrice | None = None
    alternatives: tuple[Alternative, ...] = ()
    cold_start: ModelColdStart | None = None
    replicas: Replicas
    sites: tuple[str, ...]
    drain: DrainPlan
    container: ContainerSpec
    operation: ModelOperation = field(default_factory=ModelOperation)


@dataclass(frozen=True, kw_only=True)
class RemoteModelPlan:
    """One model without an engine of ours. `upstreams` are origins, by their names."""

    task: str
    context_tokens: int
    max_output_tokens: int
    upstreams: Mapping[str, str]
    drain: DrainPlan


@dataclass(frozen=True, kw_only=True)
class ClientPlan:
    """Who may call what. Keys are secrets and not part of a plan."""

    models: tuple[str, ...]
    requests_per_minute: int | None


@dataclass(frozen=True, kw_only=True)
class Placement:
    """`replicas` engine instances of `model` on `site`."""

    model: str
    site: str
    replicas: Replicas


@dataclass(frozen=True, kw_only=True)
class NodePool:
    """Machines of one shape, asked for in the order of `purchase`, in `zones`. `shared_by` replicas share a GPU."""

    name: str
    shape: str
    accelerator: Accelerator | None
    purchase: tuple[str, ...]
    zones: tuple[str, ...]
    min_nodes: int
    max_nodes: int
    models: tuple[str, ...]
    shared_by: int = 1

    @property
    def text(self) -> str:
        """For a reader of the plan."""
        count = str(self.min_nodes) if self.min_nodes == self.max_nodes else f"{self.min_nodes} to {self.max_nodes}"
        gpus = f" ({self.accelerator.count} × {self.accelerator.type} each)" if self.accelerator else ""
        return f"{count} × {self.shape}{gpus}, {' then '.join(self.purchase)}"


@dataclass(frozen=True, kw_only=True)
class SitePlan:
    """One place where serving runs. `status_page` is where its operator's page is, None where there is none.
    `certificate_file` is what clients are given to trust an endpoint that nobody else vouches for, or that the user
    gave; relative to the checkout, None without TLS. `node_pools` are machines that the site brings: none where they
    are there, or not to be seen. `drain` is None where there are no pods. `summary` is what a reader of the plan wants
    to know of the place: node pools, network, front door; `security` what keeps others out of it. `details` is the
    platform's own frozen dataclass with the gateway's file as `gateway_config` and, where several layers end one after
    another, the whole ladder as `drain`, what must be said before it can be deployed as `missing`, whether the stack
    makes its clients' keys as `keys_are_ours`, its costs' `rival`; only that platform reads more of it."""

    platform: str
    endpoint: str
    status_page: str | None = None
    certificate_file: str | None = None
    models: tuple[str, ...]
    replicas: Mapping[str, Replicas]
    gateways: int
    node_pools: tuple[NodePool, ...] = ()
    drain: SiteDrain | None = None
    summary: Mapping[str, str] = field(default_factory=dict[str, str])
    security: Mapping[str, str] = field(default_factory=dict[str, str])
    details: Any


@dataclass(frozen=True, kw_only=True)
class DeploymentPlan:
    """Everything that will exist in one stack. `gateway_keep_alive_seconds` is how long every gateway keeps an idle
    connection: what stands in front must be the first to close one. `price` is None where all is on own machines.
    `trials` are by `model/name`, `makings` by `model/sort`.
    `deployed_sites` are those that this stack deploys, of all that its deployment has. `weakenings` are those of
    `warnings` that name what is weaker than it could be; the others are about prices."""

    stack: str
    topology: str
    sites: Mapping[str, SitePlan]
    deployed_sites: tuple[str, ...]
    links: tuple[SiteLink, ...]
    models: Mapping[str, ModelPlan]
    remote_models: Mapping[str, RemoteModelPlan]
    clients: Mapping[str, ClientPlan]
    gateway_keep_alive_seconds: int
    trials: Mapping[str, TrialPlan] = field(default_factory=dict[str, TrialPlan])
    makings: Mapping[str, MakingPlan] = field(default_factory=dict[str, MakingPlan])
    price: PricePlan | None = None
    weakenings: tuple[str, ...] = ()
    warnings: tuple[str, ...]

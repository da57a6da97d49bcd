"""The schema's root: what a user writes under `slipway:deployment`. Unions come from the registries."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from infra.addresses import Cidr
from infra.calibration.config import CalibrationSettings
from infra.cost import BudgetSettings, PricingSettings
from infra.engines.base import EngineSettings
from infra.engines.features import (
    AdapterSettings,
    KvDtype,
    Precision,
    Quantization,
    Reasoning,
    SpeculativeSettings,
    StructuredOutput,
    ToolCalls,
)
from infra.gateway.config import GatewaySettings
from infra.gateway.images import ImageRegistry
from infra.gateway.privacy import ClientPrivacySettings
from infra.gateway.quota import QuotaSettings
from infra.gateway.routing import (
    QueueSettings,
    UpstreamSettings,
)
from infra.gateway.tls import CertificateName
from infra.governance.config import GovernanceSettings
from infra.making.base import MakingSettings
from infra.model_card import CardSettings, License
from infra.naming import DEPLOYMENT_KEY as DEPLOYMENT_KEY
from infra.naming import PROJECT as PROJECT
from infra.objective import AcceleratorSettings, MachineSettings, ModelScalingSettings, ObjectiveSettings, Rollout
from infra.platforms.base import PlatformSettings
from infra.served_model import ServedModelSettings
from infra.settings import Name, OneOf, PointInTime, Settings
from infra.sources.base import SourceSettings
from infra.topologies.base import TopologySettings
from infra.topologies.monolithic import MonolithicSettings
from infra.trials.base import TrialSettings

# Secrets live beside the deployment, never in it: Pulumi returns secrets nested in an object as plain text.
CLIENT_KEYS_KEY = f"{PROJECT}:client_keys"
HUGGINGFACE_TOKEN_KEY = f"{PROJECT}:huggingface_token"
GATEWAY_SECRETS_KEY = f"{PROJECT}:gateway_secrets"


class SiteSettings(Settings):
    """One place where serving runs."""

    platform: Annotated[PlatformSettings, OneOf("infra.platforms:PLATFORMS")] = Field(
        description="What kind of place this is."
    )
    models: list[str] | None = Field(
        default=None, min_length=1, description="The models that may run here; unset, as the topology places them."
    )
    boundary: Name | None = Field(
        default=None, description="What `gateway.data_classes` calls this place; unset, `gateway.boundary`."
    )


class ModelSettings(ServedModelSettings):
    """One model deployment: weights at a fixed revision and the engine that runs them."""

    source: Annotated[SourceSettings, OneOf("infra.sources:SOURCES")] = Field(
        description="Where the weights come from, at a fixed version."
    )
    engine: Annotated[EngineSettings, OneOf("infra.engines:ENGINES")] = Field(description="What runs the weights.")
    concurrent_requests: int = Field(
        default=4, ge=1, le=4096, description="Requests that one engine answers at the same time; more wait."
    )
    objective: ObjectiveSettings | None = Field(
        default=None, description="What it must reach; unset, nothing is promised about load and speed."
    )
    accelerator: AcceleratorSettings | None = Field(
        default=None, description="The GPUs that one replica gets; unset, it runs on processors."
    )
    machine: MachineSettings = Field(
        default_factory=MachineSettings, description="What a replica in a cluster gets of its machine beside GPUs."
    )
    scaling: ModelScalingSettings = Field(default_factory=ModelScalingSettings, description="How many replicas it has.")
    rollout: Rollout = Field(
        default="spare",
        description="How a change replaces replicas in a cluster: `spare` runs one more meanwhile, so that there are "
        "never fewer than before; `in_place` takes one away first, for GPUs that are all in use.",
    )
    precision: Precision | None = Field(
        default=None, description="Precision of weights and computation; unset, that of the checkpoint."
    )
    quantization: Quantization | None = Field(
        default=None,
        description="Quantises weights while they are loaded; unset, none. One that the checkpoint has is always used.",
    )
    kv_dtype: KvDtype | None = Field(
        default=None,
        description="Precision of the KV cache; `fp8` and `int8` halve its memory. Unset, that of the computation.",
    )
    prefix_cache: bool = Field(
        default=True, description="Whether the KV cache of a prompt's beginning is used again by later requests."
    )
    structured_output: StructuredOutput | None = Field(
        default=None, description="What makes answers follow a JSON schema or grammar; unset, the engine's choice."
    )
    tool_calls: ToolCalls | None = Field(
        default=None,
        description="Family of models whose way to call tools this one speaks; unset, calls stay text.",
    )
    reasoning: Reasoning | None = Field(
        default=None,
        description="Family of models whose way to mark reasoning this one speaks; unset, it stays in the answer.",
    )
    adapters: dict[Name, AdapterSettings] = Field(
        default_factory=dict, max_length=64, description="LoRA adapters served beside the model, by name."
    )
    speculative: SpeculativeSettings | None = Field(
        default=None, description="Speculative decoding: answers come sooner while the engine is not busy."
    )
    queue: QueueSettings | None = Field(
        default=None,
        description="Lets more requests wait in the gateway, where `priority` and a deadline count; unset, they wait "
        "in the engine.",
    )
    upstreams: dict[Name, UpstreamSettings] = Field(
        default_factory=dict, max_length=64, description="Other places that serve it beside the engine, by name."
    )
    card: CardSettings = Field(default_factory=CardSettings, description="What it is, for who reads and who audits.")
    evaluations: dict[Name, Annotated[TrialSettings, OneOf("infra.trials:EVALUATIONS")]] = Field(
        default_factory=dict, max_length=64, description="What tells whether its answers are right, by name."
    )
    load_test: Annotated[TrialSettings, OneOf("infra.trials:LOAD_TESTS")] | None = Field(
        default=None, description="What tells whether it holds its objective under load; unset, nothing."
    )
    calibration: CalibrationSettings | None = Field(
        default=None, description="What a load test has measured of it, as `make calibrate` prints it; unset, nothing."
    )
    optimisation: Annotated[MakingSettings, OneOf("infra.making:OPTIMISATIONS")] | None = Field(
        default=None, description="A smaller version that is to be made of its weights; unset, none."
    )
    refresh: Annotated[MakingSettings, OneOf("infra.making:REFRESHES")] | None = Field(
        default=None, description="A version that knows more, made whenever its data has changed; unset, none."
    )
    keep_versions: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="How many versions that were made of it are kept where they were made; the oldest go when a new "
        "one is registered, but never one that a model of the deployment serves.",
    )


class RemoteModelSettings(ServedModelSettings):
    """One model without an engine of ours: other places serve it, with all that the gateway does in between."""

    upstreams: dict[Name, UpstreamSettings] = Field(
        min_length=1, max_length=64, description="The places that serve it, by name."
    )
    queue: QueueSettings | None = Field(
        default=None,
        description="Lets requests wait for an upstream below its `concurrent_requests`; unset, as `{}`: 1000 of them, "
        "30 seconds.",
    )


class ClientSettings(QuotaSettings):
    """Who calls. The key is a secret and never written here: it is generated, or set as `slipway:client_keys`."""

    models: list[str] = Field(min_length=1, description="The models this client may use.")
    data_class: Name | None = Field(
        default=None,
        description="How secret its data is: a class of `gateway.data_classes`, or `restricted`, which never leaves "
        "this deployment's own boundary; unset, it may go anywhere.",
    )
    keys_expire: PointInTime | None = Field(
        default=None,
        description="From when on its keys are nobody's, with a time zone, such as `2027-06-30T00:00:00Z`; unset, "
        "never.",
    )
    certificates: list[CertificateName] = Field(
        default_factory=list,
        max_length=256,
        description="Names of certificates that count as its key: `uri:`, `dns:`, `email:` or `cn:` and the name; "
        "needs `gateway.tls.client_ca_file`.",
    )
    per_model: dict[Name, QuotaSettings] = Field(
        default_factory=dict, description="Narrower limits for some of its models, by model."
    )
    priority: int = Field(default=0, ge=-100, le=100, description="Where requests wait, higher is served first.")
    privacy: ClientPrivacySettings = Field(
        default_factory=ClientPrivacySettings, description="What happens to personal data in its requests."
    )
    guardrails: str | None = Field(
        default=None, min_length=1, description="Its set of rules, a name below `gateway.guardrails`; unset, none."
    )
    system_policy: str | None = Field(
        default=None,
        min_length=1,
        max_length=65_536,
        description="A text that stands in front of every prompt. A model can be asked to repeat it: no secret in it.",
    )
    cache: bool = Field(
        default=False,
        description="Whether the same request may get the same answer again: at `temperature: 0`, or when it asks so.",
    )


class StackConfig(Settings):
    """One deployment: how, where, which models, for whom."""

    sites: dict[Name, SiteSettings] = Field(min_length=1, description="The places where serving runs, by name.")
    topology: Annotated[TopologySettings, OneOf("infra.topologies:TOPOLOGIES")] = Field(
        default_factory=lambda: MonolithicSettings(kind="monolithic"),
        description="How models spread over sites.",
    )
    models: dict[Name, ModelSettings] = Field(
        min_length=1, description="The models that are served, by the name that clients send."
    )
    remote_models: dict[Name, RemoteModelSettings] = Field(
        default_factory=dict, description="Models without an engine of ours, by the name that clients send."
    )
    clients: dict[Name, ClientSettings] = Field(min_length=1, description="Who may call, by name.")
    licenses: list[License] = Field(
        default_factory=list,
        max_length=64,
        description="Licences of models that somebody has read and allowed, beside Apache-2.0, MIT and BSD.",
    )
    reserved_ranges: dict[Name, Cidr] = Field(
        default_factory=dict,
        max_length=256,
        description="Ranges of addresses that no site may take, by name: those of offices and of connected networks.",
    )
    registry: ImageRegistry | None = Field(
        default=None,
        description="Where images of slipway's release are copied to for this deployment, by the same digests, and "
        "where `gateway.images.build` pushes to, such as `registry.example.com/team`; unset, they come from where the "
        "release is.",
    )
    budget: BudgetSettings | None = Field(
        default=None, description="What its machines may cost at clouds; unset, anything. Own machines have no price."
    )
    pricing: PricingSettings = Field(
        default_factory=PricingSettings, description="Prices and discounts of your own, before those of lists."
    )
    gateway: GatewaySettings = Field(
        default_factory=GatewaySettings,
        description="The policy gateway: audit, privacy, guardrails, cache, identity, limits, TLS, traces.",
    )
    governance: GovernanceSettings = Field(
        default_factory=GovernanceSettings, description="The law that it is under, and what was agreed with whom."
    )

    @property
    def every_model(self) -> dict[str, ModelSettings | RemoteModelSettings]:
        """All that clients can ask for, ours first."""
        return {**self.models, **self.remote_models}

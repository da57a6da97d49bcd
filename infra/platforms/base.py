"""What a platform is: settings a user writes, a pure plan, and a component that deploys exactly that plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from infra.plan.types import DrainPlan, ModelPlan, SitePlan
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
class SiteRequest:
    """What a platform plans a site from. `where` is the site's path in the configuration, for problems; `gateway` is
    the content of the gateway's file, without what only a running site knows."""

    where: str
    stack: str
    site: str
    settings: Any
    models: Mapping[str, ModelPlan]
    gateway: Mapping[str, Any]
    drain: DrainPlan


@dataclass(frozen=True, kw_only=True)
class SiteSecrets:
    """What a site needs and no plan may hold. Values are Pulumi inputs, marked secret."""

    key_hashes: Any
    huggingface_token: Any
    gateway_secrets: Any


class Platform(Protocol):
    """One kind of place. Its module imports no `pulumi`; `component` names the class that deploys, imported late."""

    @property
    def settings(self) -> type[PlatformSettings]: ...

    @property
    def engine_address(self) -> EngineAddress: ...

    @property
    def component(self) -> str:
        """`module:Class` of the Pulumi component, made with `(name, SitePlan, SiteSecrets, opts)`; has `endpoint`."""
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

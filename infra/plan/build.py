"""From a StackConfig to a DeploymentPlan: pure, offline, and every problem at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.config import DEPLOYMENT_KEY, ModelSettings, StackConfig
from infra.engines import ENGINES
from infra.engines.base import EngineRequest
from infra.explain import dotted
from infra.plan.drain import drain_plan
from infra.plan.gateway import gateway_config
from infra.plan.gateway_checks import gateway_problems, longest_wait, output_problems
from infra.plan.layout import (
    abilities_of,
    every_site,
    links_of,
    no_platform,
    nobody_there,
    placement_request,
    site_problems,
)
from infra.plan.types import (
    Accelerator,
    ClientPlan,
    DeploymentPlan,
    DrainPlan,
    ModelPlan,
    Placement,
    RemoteModelPlan,
    Replicas,
)
from infra.plan.weakenings import counting_warnings, gateway_warnings
from infra.platforms import PLATFORMS
from infra.platforms.base import EngineAddress, SiteRequest
from infra.problems import Problem, Refused
from infra.sources import SOURCES
from infra.topologies import TOPOLOGIES
from infra.topologies.base import Layout, Site

NOTHING = Layout(placements=(), gateways={})


def build_plan(config: StackConfig, stack: str) -> DeploymentPlan:
    """Decides everything. Raises Refused with every problem that can be known without a cloud."""
    sites = every_site(config)
    problems = list(no_platform(sites))
    sites = {name: site for name, site in sites.items() if site.platform is not None}
    abilities = abilities_of(sites)
    problems += site_problems(config, sites, abilities)

    topology = TOPOLOGIES[config.topology.kind]
    placing = placement_request(config, sites, abilities)
    problems += topology.problems(placing)
    layout = NOTHING if problems else topology.place(placing)

    planner = _Planner(config, stack, sites, layout)
    problems += planner.model_problems()
    problems += gateway_problems(config)
    requests = planner.requests()
    problems += nobody_there(sites, {name: request.gateway["clients"] for name, request in requests.items()})
    platforms = {name: PLATFORMS[site.platform.kind] for name, site in sites.items()}
    for name, request in requests.items():
        problems += platforms[name].problems(request)
    if problems:
        raise Refused(f"the stack `{stack}`", problems)

    return DeploymentPlan(
        stack=stack,
        topology=config.topology.kind,
        sites={name: platforms[name].plan(request) for name, request in requests.items()},
        links=links_of(config, sites, layout),
        models=planner.models(),
        remote_models={
            name: RemoteModelPlan(
                task=settings.task,
                context_tokens=settings.context_tokens,
                max_output_tokens=settings.longest_answer_tokens,
                upstreams={upstream: found.url for upstream, found in settings.upstreams.items()},
                drain=drain_plan(settings.longest_generation_seconds, longest_wait(name, config)),
            )
            for name, settings in config.remote_models.items()
        },
        clients=planner.clients,
        gateway_keep_alive_seconds=config.gateway.limits.keep_alive_seconds,
        warnings=(
            *gateway_warnings(config),
            *counting_warnings(config, layout.gateways),
            *(warning for name, request in requests.items() for warning in platforms[name].warnings(request)),
        ),
    )


@dataclass(frozen=True)
class _Placed:
    """Where the replicas of one model are."""

    sites: tuple[str, ...]
    replicas: Replicas


class _Planner:
    """One planning. Keeps what sites share, so that a thousand of them cost little more than one."""

    def __init__(self, config: StackConfig, stack: str, sites: Mapping[str, Site], layout: Layout) -> None:
        self._config, self._stack, self._sites, self._layout = config, stack, sites, layout
        self._addresses = {name: PLATFORMS[site.platform.kind].engine_address for name, site in sites.items()}
        self._placed = _placed(layout.placements)
        self._here: defaultdict[str, dict[str, Replicas]] = defaultdict(dict)
        for placement in layout.placements:
            self._here[placement.site][placement.model] = placement.replicas
        self._planned: dict[tuple[str, EngineAddress], ModelPlan] = {}
        self._refused: set[str] = set()
        self._shared: dict[Any, tuple[Mapping[str, ModelPlan], Mapping[str, Replicas], Mapping[str, Any]]] = {}
        self.clients = {
            name: ClientPlan(models=tuple(client.models), requests_per_minute=client.requests_per_minute)
            for name, client in config.clients.items()
        }

    def model_problems(self) -> Iterator[Problem]:
        """What engines cannot do of what is wanted, on any of the platforms where they would."""
        for name, settings in self._config.models.items():
            for address in self._where(name):
                found = list(_model_problems(settings, _engine_request(name, settings, address)))
                if found:
                    self._refused.add(name)
                yield from found

    def models(self) -> dict[str, ModelPlan]:
        """Every model, as it is on the first of its sites."""
        return {name: self._model(name, self._where(name)[0]) for name in self._config.models}

    def requests(self) -> dict[str, SiteRequest]:
        """What each platform plans its sites from."""
        config = self._config
        # A site ends only when its longest generation, after the longest wait for it, may have ended.
        drain = drain_plan(
            max(model.longest_generation_seconds for model in config.every_model.values()),
            max(longest_wait(name, config) for name in config.every_model),
        )
        return {name: self._request(name, site, drain) for name, site in self._sites.items()}

    def _request(self, name: str, site: Site, drain: DrainPlan) -> SiteRequest:
        here = {model: replicas for model, replicas in self._here[name].items() if model not in self._refused}
        boundary = site.boundary or self._config.gateway.boundary
        address = self._addresses[name]
        key = (address, boundary, tuple(here.items()))
        if key not in self._shared:
            models = {model: self._model(model, address) for model in self._config.models if model in here}
            content = gateway_config(self._config, models, self.clients, boundary)
            self._shared[key] = (models, here, content)
        models, replicas, content = self._shared[key]
        return SiteRequest(
            where=site.where,
            stack=self._stack,
            site=name,
            settings=site.platform,
            models=models,
            replicas=replicas,
            gateways=self._layout.gateways.get(name, 1),
            gateway=content,
            drain=drain,
        )

    def _where(self, name: str) -> list[EngineAddress]:
        """How engines of a model are addressed, once each; without a placement any site will do."""
        sites = self._placed[name].sites if name in self._placed else tuple(self._sites)[:1]
        return list(dict.fromkeys(self._addresses[site] for site in sites))

    def _model(self, name: str, address: EngineAddress) -> ModelPlan:
        key = (name, address)
        if key not in self._planned:
            settings = self._config.models[name]
            self._planned[key] = _model_plan(
                settings,
                _engine_request(name, settings, address),
                self._placed[name],
                longest_wait(name, self._config),
            )
        return self._planned[key]


def _placed(placements: tuple[Placement, ...]) -> dict[str, _Placed]:
    by_model: defaultdict[str, list[Placement]] = defaultdict(list)
    for placement in placements:
        by_model[placement.model].append(placement)
    return {
        model: _Placed(
            sites=tuple(p.site for p in found),
            replicas=Replicas(min=sum(p.replicas.min for p in found), max=sum(p.replicas.max for p in found)),
        )
        for model, found in by_model.items()
    }


def _engine_request(name: str, settings: ModelSettings, address: EngineAddress) -> EngineRequest:
    return EngineRequest(
        where=dotted(DEPLOYMENT_KEY, ("models", name)),
        model=name,
        settings=settings.engine,
        task=settings.task,
        context_tokens=settings.context_tokens,
        concurrent_requests=settings.concurrent_requests,
        weights=SOURCES[settings.source.kind].weights(settings.source),
        host=address.host,
        port=address.port,
        weights_path=address.weights_path.replace("{model}", name),
        key_file=address.key_file,
        threads=address.threads,
    )


def _model_problems(settings: ModelSettings, request: EngineRequest) -> Iterator[Problem]:
    yield from ENGINES[settings.engine.kind].problems(request)
    yield from output_problems(request.where, settings)


def _model_plan(
    settings: ModelSettings, request: EngineRequest, placed: _Placed, longest_wait_seconds: int
) -> ModelPlan:
    container = ENGINES[settings.engine.kind].render(request)
    wanted = settings.accelerator
    return ModelPlan(
        engine=settings.engine.kind,
        engine_arguments=container.arguments,
        task=settings.task,
        context_tokens=settings.context_tokens,
        concurrent_requests=settings.concurrent_requests,
        max_output_tokens=settings.longest_answer_tokens,
        weights=request.weights,
        accelerator=None if wanted is None else Accelerator(type=wanted.type, count=wanted.count),
        replicas=placed.replicas,
        sites=placed.sites,
        drain=drain_plan(settings.longest_generation_seconds, longest_wait_seconds),
        container=container,
    )

"""From a StackConfig to a DeploymentPlan: pure, offline, and every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.config import DEPLOYMENT_KEY, ModelSettings, StackConfig
from infra.engines import ENGINES
from infra.engines.base import Adapter, EngineRequest, Speculative
from infra.explain import dotted
from infra.plan.capabilities import capability_problems, model_warnings, placement_problems
from infra.plan.drain import drain_plan
from infra.plan.gateway import gateway_config
from infra.plan.gateway_checks import gateway_problems, longest_wait, output_problems
from infra.plan.types import ClientPlan, DeploymentPlan, ModelPlan, Placement, RemoteModelPlan, Replicas, Weights
from infra.plan.weakenings import gateway_warnings
from infra.platforms import PLATFORMS
from infra.platforms.base import EngineAddress, SiteRequest
from infra.problems import Problem, Refused
from infra.sources import SOURCES
from infra.sources.base import SourceSettings
from infra.topologies import TOPOLOGIES


def build_plan(config: StackConfig, stack: str) -> DeploymentPlan:
    """Decides everything. Raises Refused with every problem that can be known without a cloud."""
    topology = TOPOLOGIES[config.topology.kind]
    sites, models = tuple(config.sites), tuple(config.models)
    problems = list(topology.problems(DEPLOYMENT_KEY, config.topology, sites, models))
    placements = () if problems else topology.place(config.topology, sites, models)

    clients = {
        name: ClientPlan(models=tuple(client.models), requests_per_minute=client.requests_per_minute)
        for name, client in config.clients.items()
    }
    planned: dict[str, ModelPlan] = {}
    warnings: list[str] = []
    for name, settings in config.models.items():
        # A model is rendered for the platform of its first site; without a placement any site will do.
        site = next((p.site for p in placements if p.model == name), sites[0])
        address = PLATFORMS[config.sites[site].platform.kind].engine_address
        request = engine_request(name, settings, address)
        found = [*placement_problems(settings.engine.kind, request, site, address), *_model_problems(settings, request)]
        problems += found
        if not found:
            planned[name] = model_plan(settings, request, placements, longest_wait(name, config))
            warnings += model_warnings(planned[name], request, address)
    problems += gateway_problems(config)

    requests = {site: _site_request(site, config, stack, planned, clients, placements) for site in sites}
    for site, request in requests.items():
        problems += PLATFORMS[config.sites[site].platform.kind].problems(request)
    if problems:
        raise Refused(f"the stack `{stack}`", problems)

    platforms = {site: PLATFORMS[config.sites[site].platform.kind] for site in sites}
    return DeploymentPlan(
        stack=stack,
        topology=config.topology.kind,
        sites={site: platforms[site].plan(request) for site, request in requests.items()},
        models=planned,
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
        clients=clients,
        gateway_keep_alive_seconds=config.gateway.limits.keep_alive_seconds,
        warnings=(
            *gateway_warnings(config),
            *warnings,
            *(warning for site, request in requests.items() for warning in platforms[site].warnings(request)),
        ),
    )


def engine_request(name: str, settings: ModelSettings, address: EngineAddress) -> EngineRequest:
    """What a model wants of its engine, with what the platform gives the process."""
    further = f"{(address.further_weights_path or '').replace('{model}', name)}/{name}"
    speculative = settings.speculative
    draft = speculative.draft if speculative else None
    return EngineRequest(
        where=dotted(DEPLOYMENT_KEY, ("models", name)),
        model=name,
        settings=settings.engine,
        task=settings.task,
        context_tokens=settings.context_tokens,
        concurrent_requests=settings.concurrent_requests,
        longest_generation_seconds=settings.longest_generation_seconds,
        weights=_weights(settings.source),
        host=address.host,
        port=address.port,
        weights_path=address.weights_path.replace("{model}", name),
        key_file=address.key_file,
        threads=address.threads,
        cache_path=address.cache_path,
        precision=settings.precision,
        quantization=settings.quantization,
        kv_dtype=settings.kv_dtype,
        prefix_cache=settings.prefix_cache,
        structured_output=settings.structured_output,
        tool_calls=settings.tool_calls,
        reasoning=settings.reasoning,
        adapters={
            adapter: Adapter(weights=_weights(wanted.source), rank=wanted.rank, path=f"{further}-adapters/{adapter}")
            for adapter, wanted in settings.adapters.items()
        },
        speculative=speculative
        and Speculative(
            method=speculative.method,
            draft_tokens=speculative.draft_tokens,
            draft=draft and _weights(draft),
            draft_path=draft and f"{further}-draft",
        ),
    )


def _weights(source: SourceSettings) -> Weights:
    return SOURCES[source.kind].weights(source)


def _model_problems(settings: ModelSettings, request: EngineRequest) -> Iterator[Problem]:
    yield from capability_problems(settings.engine.kind, request)
    yield from ENGINES[settings.engine.kind].problems(request)
    yield from output_problems(request.where, settings)


def model_plan(
    settings: ModelSettings, request: EngineRequest, placements: tuple[Placement, ...], longest_wait_seconds: int
) -> ModelPlan:
    """One model, decided. Called only for requests without problems."""
    container = ENGINES[settings.engine.kind].render(request)
    replicas = sum(p.replicas for p in placements if p.model == request.model)
    return ModelPlan(
        engine=settings.engine.kind,
        engine_arguments=container.arguments,
        task=settings.task,
        context_tokens=settings.context_tokens,
        concurrent_requests=settings.concurrent_requests,
        max_output_tokens=settings.longest_answer_tokens,
        weights=request.weights,
        replicas=Replicas(min=replicas, max=replicas),
        sites=tuple(p.site for p in placements if p.model == request.model),
        drain=drain_plan(settings.longest_generation_seconds, longest_wait_seconds),
        container=container,
    )


def _site_request(
    site: str,
    config: StackConfig,
    stack: str,
    models: Mapping[str, ModelPlan],
    clients: Mapping[str, ClientPlan],
    placements: tuple[Placement, ...],
) -> SiteRequest:
    here = {p.model for p in placements if p.site == site}
    served = {name: model for name, model in models.items() if name in here}
    return SiteRequest(
        where=dotted(DEPLOYMENT_KEY, ("sites", site)),
        stack=stack,
        site=site,
        settings=config.sites[site].platform,
        models=served,
        gateway=gateway_config(config, served, clients),
        # A site ends only when its longest generation, after the longest wait for it, may have ended.
        drain=drain_plan(
            max(model.longest_generation_seconds for model in config.every_model.values()),
            max(longest_wait(name, config) for name in config.every_model),
        ),
    )

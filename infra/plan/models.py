"""Models: from a model's settings and the place where it runs to what its engine is asked, and what it will be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.config import ModelSettings
from infra.engines import ENGINES
from infra.engines.base import Adapter, EngineRequest, Parallel, Speculative
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.calibration import model_calibration
from infra.plan.capabilities import capability_problems
from infra.plan.drain import drain_plan
from infra.plan.fit import Fit, fit
from infra.plan.gateway_checks import output_problems
from infra.plan.model_cards import model_card
from infra.plan.model_start import UNKNOWN_STARTUP_SECONDS, ModelStarts, with_startup
from infra.plan.operation import ModelOperation, Schedule
from infra.plan.stored_weights import host_kv_cache_gib, stored_gib
from infra.plan.types import Accelerator, ModelPlan, Replicas, Weights
from infra.platforms.base import EngineAddress
from infra.problems import Problem
from infra.sources import SOURCES
from infra.sources.base import SourceSettings


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where the replicas of one model are."""

    sites: tuple[str, ...]
    replicas: Replicas


def engine_request(
    name: str, settings: ModelSettings, address: EngineAddress, registry: str | None = None
) -> EngineRequest:
    """What a model wants of its engine, with what the platform gives the process."""
    further = f"{(address.further_weights_path or '').replace('{model}', name)}/{name}"
    speculative = settings.speculative
    draft = speculative.draft if speculative else None
    gpus, nodes = (wanted.count, wanted.nodes) if (wanted := settings.accelerator) else (1, 1)
    able = ENGINES[settings.engine.kind].capabilities
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
        # Who cannot split each layer over GPUs, as llama.cpp, spreads whole layers by itself. Between machines every
        # link is slower than within one: each has a stage of whole layers.
        parallel=Parallel(
            nodes=nodes,
            tensor=gpus if "tensor" in able.parallel else 1,
            pipeline=nodes if "nodes" in able.parallel else 1,
        ),
        registry=registry,
    )


def _weights(source: SourceSettings) -> Weights:
    return SOURCES[source.kind].weights(source)


def model_problems(settings: ModelSettings, request: EngineRequest) -> Iterator[Problem]:
    """What its engine cannot do of what is wanted."""
    yield from capability_problems(settings.engine.kind, request)
    yield from ENGINES[settings.engine.kind].problems(request)
    yield from output_problems(request.where, settings)


def model_plan(
    settings: ModelSettings,
    request: EngineRequest,
    placed: Placed,
    longest_wait_seconds: int,
    starts: ModelStarts | None = None,
) -> ModelPlan:
    """One model, decided. Called only for requests without problems."""
    sized = fit(settings)
    figures = sized if isinstance(sized, Fit) else None
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
        card=model_card(settings, request.weights),
        accelerator=None if wanted is None else Accelerator(type=wanted.type, count=wanted.count),
        nodes=request.parallel.nodes,
        memory=figures and figures.memory,
        performance=figures and figures.performance,
        calibration=model_calibration(settings, figures.sized.shape if figures else None),
        cold_start=starts and starts.plan(),
        replicas=placed.replicas,
        sites=placed.sites,
        drain=drain_plan(settings.longest_generation_seconds, longest_wait_seconds),
        container=with_startup(container, starts.startup_budget_seconds if starts else UNKNOWN_STARTUP_SECONDS),
        operation=_operation(settings),
    )


def _operation(settings: ModelSettings) -> ModelOperation:
    """As its user wants it, with what is known of its size."""
    stored, wanted = stored_gib(settings.engine.kind, settings.source), settings.objective
    return ModelOperation(
        rollout=settings.rollout,
        schedules={
            name: Schedule(
                time_zone=hours.time_zone, begins=hours.begins, ends=hours.ends, min_replicas=hours.min_replicas
            )
            for name, hours in settings.scaling.schedules.items()
        },
        processors=settings.machine.processors,
        memory_gib=settings.machine.memory_gibibytes,
        stored_gib=None if stored is None else round(stored, 2),
        host_kv_cache_gib=None
        if settings.accelerator
        else host_kv_cache_gib(settings.source, settings.context_tokens * settings.concurrent_requests),
        time_to_first_token_seconds=wanted and wanted.time_to_first_token_seconds,
        time_per_output_token_milliseconds=wanted and wanted.time_per_output_token_milliseconds,
        availability_percent=wanted and wanted.availability_percent,
    )

"""The engine's container on Cloud Run: the launcher and what it is told, its key, and where its weights are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY, normalised
from infra.plan.cluster_facts import NOTHING_MORE
from infra.plan.engine_process import LAUNCHER, STATUS_FOLDER, engine_specification
from infra.plan.in_cluster import ENGINE, ENGINE_KEY_ENTRY, ENGINE_KEY_FOLDER
from infra.plan.types import ContainerSpec, ModelPlan
from infra.plan.weights_volume import weights_volume
from infra.platforms.base import SiteRequest
from infra.platforms.cloud_run.containers import ContainerPlan, FetchPlan, SecretFile
from infra.platforms.cloud_run.instances import (
    CARDS,
    LONGEST_START_SECONDS,
    PLAIN_MEMORY_GIBIBYTES,
    PLAIN_PROCESSORS,
    STOP_SECONDS,
)
from infra.problems import Problem
from infra.sources import SOURCES

LAUNCHER_FILE = SecretFile(name="launcher", folder="/etc/slipway/launcher", file="launcher.json")
# The gateway shows it, the launcher gives it to the engine. Nobody else is in an instance, and nobody reaches it.
ENGINE_KEY = SecretFile(name="engine-key", folder=ENGINE_KEY_FOLDER, file=ENGINE_KEY_ENTRY)
# As the engine itself wants to read it.
ENGINE_OPTIONS, ENGINE_OPTIONS_FOLDER = "engine-options", "/run/secrets/engine-options"
MODEL_SOURCE = SecretFile(name="model-source", folder="/run/secrets/model-source", file="huggingface-token")
# In memory, which is all that an instance has: what engines compile, temporary files, and what the launcher says.
CACHE_MEBIBYTES, TEMPORARY_MEBIBYTES, STATUS_MEBIBYTES = 2048, 1024, 64
# The launcher's four downloads at once are written on in memory before they are in the bucket.
FETCH_PROCESSORS, FETCH_MEMORY_GIBIBYTES, FETCH_SECONDS = 8, 32, 6 * 3600


def engine_container(model: str, plan: ModelPlan) -> ContainerPlan:
    """It listens to the instance alone; the gateway beside it says whether it is ready."""
    card = CARDS.get(plan.accelerator.type) if plan.accelerator else None
    processors = card.processors if card else PLAIN_PROCESSORS
    spec, container = _specification(model, plan, processors), plan.container
    temporary = "/tmp"  # noqa: S108 - in the container, a folder of its own
    folders = {path: CACHE_MEBIBYTES for path in container.writable_paths if path != temporary}
    return ContainerPlan(
        name=ENGINE,
        image=container.image.reference,
        command=(*LAUNCHER, "--container", STATUS_FOLDER, LAUNCHER_FILE.path),
        arguments=(),
        environment=dict(container.environment),
        processors=processors,
        memory_gibibytes=card.memory_gibibytes if card else PLAIN_MEMORY_GIBIBYTES,
        card=card.name if card else None,
        port=None,
        files=(*_told(spec), *_option_files(container), *_keys(container)),
        memory_folders={**folders, temporary: TEMPORARY_MEBIBYTES, STATUS_FOLDER: STATUS_MEBIBYTES},
        reads_weights=fetches(plan),
        startup=None,
        liveness=None,
        after=(),
    )


def option_key(container: ContainerSpec) -> str | None:
    """The key as the engine reads it, with `{key}` for it; None where it reads no file."""
    return container.key_file_content if container.key_file else None


def fetches(plan: ModelPlan) -> bool:
    """Whether weights come from elsewhere; otherwise they are in the engine's image."""
    return any(SOURCES[one.kind].moves_weights for one in (plan.weights, *plan.container.further_weights.values()))


def fetch_plan(service: str, model: str, plan: ModelPlan) -> FetchPlan | None:
    """None where nothing is fetched. Other weights are another execution."""
    if not fetches(plan):
        return None
    wanted = weights_volume(model, ENGINE, plan, NOTHING_MORE).fetches
    return FetchPlan(
        name=f"{service}-fetch",
        execution=hashlib.sha256("".join(wanted).encode()).hexdigest()[:8],
        arguments=("fetch", "--token-file", MODEL_SOURCE.path, *wanted),
        token=MODEL_SOURCE,
        processors=FETCH_PROCESSORS,
        memory_gibibytes=FETCH_MEMORY_GIBIBYTES,
        longest_seconds=FETCH_SECONDS,
    )


def engine_problems(request: SiteRequest) -> Iterator[Problem]:
    """More than one engine in an instance, and adapters where weights are in the image."""
    if len(request.models) > 1:
        yield Problem(
            where=dotted(DEPLOYMENT_KEY, ("models",)),
            found=f"{', '.join(f'`{name}`' for name in request.models)}, on the site `{request.site}`",
            allowed="one model: an instance is a gateway and an engine, and has one GPU",
            remedy="keep one, and give each other one a stack of its own",
        )


def startup_seconds(plan: ModelPlan) -> int:
    """What an instance may take from when its containers run, as the cold start has it and Cloud Run allows."""
    start = plan.cold_start
    return min(LONGEST_START_SECONDS, start.startup_budget_seconds if start else LONGEST_START_SECONDS)


def _specification(model: str, plan: ModelPlan, processors: int) -> Mapping[str, Any]:
    """As in a cluster, but for who is in front of it: nobody but the gateway beside it, so that it has no door."""
    said = engine_specification(
        model,
        plan.container,
        plan.drain,
        weights=weights_volume(model, ENGINE, plan, NOTHING_MORE),
        processors=processors,
        start_seconds=startup_seconds(plan),
    )
    own: dict[str, Any] = {"door": None, "drain_seconds": min(STOP_SECONDS, plan.drain.engine_shutdown_seconds)}
    if not fetches(plan):
        # In the image: looked up there, and held against its digest.
        own["weights"] = dict(vars(plan.weights))
    return {**said, "engines": {model: {**said["engines"][model], **own}}}


def _told(spec: Mapping[str, Any]) -> Iterator[SecretFile]:
    content = json.dumps(spec, indent=2, sort_keys=True)
    yield SecretFile(name=LAUNCHER_FILE.name, folder=LAUNCHER_FILE.folder, file=LAUNCHER_FILE.file, content=content)


def _option_files(container: ContainerSpec) -> Iterator[SecretFile]:
    for path, content in container.files.items():
        folder, _, file = path.rpartition("/")
        yield SecretFile(name=normalised(f"file-{file}"), folder=folder, file=file, content=content)


def _keys(container: ContainerSpec) -> Iterator[SecretFile]:
    if container.key_file or container.key_environment:
        yield ENGINE_KEY
    if container.key_file and option_key(container):
        folder, _, file = container.key_file.rpartition("/")
        yield SecretFile(name=ENGINE_OPTIONS, folder=folder, file=file)
